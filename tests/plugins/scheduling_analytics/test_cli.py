def test_there_is_nothing_to_rebuild_on_sqlite(command_output):
    command_output("db", "upgrade", SCHEDULING_PLUGINS="analytics")
    [line] = command_output("analytics", "rebuild", SCHEDULING_PLUGINS="analytics")
    assert line.startswith("Only PostgreSQL keeps counts")
