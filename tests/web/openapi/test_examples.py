"""Examples that are put together from a schema."""

import pytest

from scheduling.web.openapi.examples import NoExample, example

NODE = {"$ref": "#/components/schemas/Node"}


def test_a_thing_that_may_have_others_of_its_kind_has_none_in_the_example():
    members = {
        "name": {"type": "string", "examples": ["root"]},
        "parent": {"anyOf": [NODE, {"type": "null"}]},
        "nearest": NODE,
        "children": {"type": "array", "items": NODE},
    }
    schemas = {"Node": {"type": "object", "properties": members}}
    assert example(NODE, schemas) == {"name": "root", "parent": None, "children": []}
    assert example({"type": "array", "items": NODE}, schemas) == [example(NODE, schemas)]


@pytest.mark.parametrize(
    ("schema", "value"),
    [
        ({"type": "integer", "minimum": 5}, 5),
        ({"type": "integer", "minimum": -9, "maximum": -3}, -3),
        ({"type": "integer", "exclusiveMinimum": 1}, 2),
        ({"type": "number", "exclusiveMaximum": 0}, -1),
        ({"type": "string", "minLength": 6}, "texttt"),
        ({"type": "string", "maxLength": 2}, "te"),
        ({"type": "string", "pattern": "^#", "examples": ["#ff0000"]}, "#ff0000"),
        ({"type": ["string", "null"], "examples": [None]}, None),
    ],
)
def test_limits_hold(schema, value):
    assert example(schema, {}) == value


def test_a_pattern_has_no_example_but_its_own():
    with pytest.raises(NoExample):
        example({"type": "object", "properties": {"colour": {"type": "string", "pattern": "^#"}}}, {})


def test_two_things_that_have_each_other_end_too():
    schemas = {
        "Node": {"type": "object", "properties": {"edge": {"$ref": "#/components/schemas/Edge"}}},
        "Edge": {"type": "object", "properties": {"size": {"type": "integer"}, "end": NODE}},
    }
    assert example(NODE, schemas) == {"edge": {"size": 1}}


def test_a_thing_that_is_there_twice_is_told_twice():
    schemas = {"Node": {"type": "object", "properties": {"size": {"type": "integer"}}}}
    pair = {"type": "object", "properties": {"one": NODE, "other": NODE}}
    assert example(pair, schemas) == {"one": {"size": 1}, "other": {"size": 1}}
