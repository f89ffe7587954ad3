"""What schemas are called in the document."""

import pytest
from marshmallow import Schema, fields

from scheduling.web.openapi.json_schemas import SchemaNames
from scheduling.web.schemas import AnswerSchema


class Thing(Schema):
    id = fields.Integer()
    secret = fields.String()
    note = fields.String()

    class Meta:
        exclude = ("secret",)


def new_booking(module):
    return type("NewBooking", (Schema,), {"__module__": module})


def test_each_of_many_schemas_of_one_name_has_a_name_of_its_own():
    names = SchemaNames()
    kinds = [new_booking(module) for module in ("ours.schemas", "acme.schemas", "acme.more", "acme.more")]
    expected = ["NewBooking", "acme.NewBooking", "acme.more.NewBooking", "acme.more.NewBooking2"]
    assert [names(kind) for kind in kinds] == expected
    assert [names(kind(many=True)) for kind in reversed(kinds)] == expected[::-1]
    assert names.classes == dict(zip(expected, kinds, strict=True))


def test_an_answer_is_called_after_the_thing_unless_something_else_is():
    names = SchemaNames()
    answer, other = (
        type("BookingAnswer", (AnswerSchema,), {"__module__": module}) for module in ("ours.schemas", "acme")
    )
    assert [names(answer), names(other)] == ["Booking", "BookingAnswer"]
    assert names(type("Answer", (AnswerSchema,), {})) == "Answer"


@pytest.mark.parametrize("option", ["only", "exclude", "load_only", "dump_only", "partial"])
def test_an_instance_with_options_of_its_own_has_no_name(option):
    assert SchemaNames()(Thing(**{option: ("note",)})) == ""


def test_an_instance_is_called_as_its_class_whose_own_options_it_has():
    names = SchemaNames()
    assert names(Thing) == names(Thing()) == names(Thing(many=True)) == "Thing"
