"""`scheduling plugins`: which there are, and whether they work together."""

import sys

NOWHERE = "postgresql://scheduling@127.0.0.1:1/scheduling"


def test_plugins_are_listed_with_state_distribution_and_requirements(command_output, install_plugin):
    install_plugin("acme", manifest="requires=('bookings',)")

    lines = command_output("plugins", "list")

    assert [line.split()[:2] for line in lines] == [
        ["acme", "installed"],
        ["analytics", "installed"],
        ["bookings", "enabled"],
        ["notifications", "installed"],
        ["organizations", "installed"],
        ["reminders", "installed"],
    ]
    assert "acme 2.1" in lines[0]
    assert lines[0].endswith("Requires bookings.")


def test_plugins_that_are_broken_or_gone_are_listed_with_the_reason(command_output, install_plugin):
    install_plugin("acme", top="raise RuntimeError('no flux capacitor')")

    lines = command_output("plugins", "list", SCHEDULING_PLUGINS="acme weather")

    states = {line.split()[0]: line.split()[1] for line in lines}
    assert states["acme"] == states["weather"] == "broken"
    assert "no flux capacitor" in lines[0]
    assert "not installed" in lines[-1]


def test_plugins_check_passes_where_they_work_together(command_output):
    assert command_output("plugins", "check") == ["All enabled plugins work together: bookings."]
    assert command_output("plugins", "check", SCHEDULING_PLUGINS=" , ")[0].endswith("together: none.")


def test_plugins_check_fails_with_the_message_of_a_start(run_program, install_plugin):
    install_plugin("acme", includeme="raise LookupError('no weather')")

    ended = run_program(
        "-c", "test.ini", "plugins", "check", PYTHONPATH=sys.path[0], SCHEDULING_PLUGINS="acme"
    )

    assert (ended.returncode, ended.stdout) == (1, "")
    assert ended.stderr == (
        "The plugin 'acme' of acme 2.1 could not be set up (LookupError: no weather); "
        "update or repair that distribution, or disable the plugin.\n"
    )


def test_plugins_check_needs_no_database(command_output):
    assert command_output("plugins", "check", DATABASE_URL=NOWHERE)
