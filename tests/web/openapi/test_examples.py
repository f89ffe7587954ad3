"""Examples that are put together from a schema."""

from scheduling.web.openapi.examples import example

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
