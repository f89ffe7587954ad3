"""values.yaml, its schema and the README's table say the same."""

from tests.chart.chartkit.values import (
    BEGIN,
    END,
    README,
    defaults,
    documented,
    objects_of_schema,
    of_schema,
    schema,
    table,
)

DOCUMENTED = documented()

# Documented as a whole: the keys below it are Kubernetes's, and the schema knows them.
WHOLE = {"resources", "startup", "liveness", "readiness"}


def leaves(values, path=()):
    for key, value in values.items():
        if isinstance(value, dict) and value and key not in WHOLE:
            yield from leaves(value, (*path, key))
        else:
            yield (*path, key)


def test_every_value_is_documented():
    paths = {value.path for value in DOCUMENTED}
    assert [path for path in leaves(defaults()) if not any(path[: len(p)] == p for p in paths)] == []


def test_every_value_is_in_the_schema_and_the_other_way_round():
    known = {whole(path) for path in of_schema(schema())} - {("global",)}
    assert {value.path for value in DOCUMENTED} == known


def whole(path):
    """Return where a value is documented."""
    for depth, name in enumerate(path, 1):
        if name in WHOLE:
            return path[:depth]
    return path


def test_the_schema_lets_no_misspelt_name_pass():
    found = dict(objects_of_schema(schema()))
    assert ("web", "autoscaling") in found
    assert [path for path, node in found.items() if node["additionalProperties"] is not False] == []


def test_what_is_said_of_a_value_is_a_sentence():
    for value in DOCUMENTED:
        assert value.text[0].isupper() or value.text[0] == "`", value
        assert value.text.endswith("."), value


def test_the_readme_has_the_table_of_the_values():
    text = README.read_text()
    assert text.partition(BEGIN)[2].partition(END)[0] == table(), (
        "Write it anew: .venv/bin/python tests/chart/chartkit/values.py"
    )
