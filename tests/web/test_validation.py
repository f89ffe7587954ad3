"""What a schema refuses is told by arrays of sentences, wherever in a body it is."""

import pytest
from marshmallow import ValidationError, fields, post_load

from scheduling.exceptions import Invalid
from scheduling.web.schemas import RequestSchema, Text
from scheduling.web.validation import validate


class Guest(RequestSchema):
    name = Text(required=True)

    @post_load
    def _not_bob(self, data, **_):
        if data["name"] == "Bob":
            raise ValidationError("must not be Bob")
        return data


class Party(RequestSchema):
    guests = fields.List(fields.Nested(Guest))
    tags = fields.List(Text())
    host = fields.Nested(Guest)


def test_what_is_wrong_inside_of_arrays_and_objects_is_named_by_its_path():
    sent = {"guests": [{"name": "Ann"}, {}], "tags": ["a", 7], "host": {"name": "Bob"}}
    with pytest.raises(Invalid) as refused:
        validate(Party(), sent)
    assert refused.value.errors == {
        "guests.1.name": ["is required"],
        "tags.1": ["must be a string"],
        "host": ["must not be Bob"],
    }
    assert "guests.1.name is required" in refused.value.sentence
