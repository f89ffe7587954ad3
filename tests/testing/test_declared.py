"""A call fails whose answer is not what its view declares, with a message that names view and member."""

import pytest

from scheduling.testing import Site

VIEWS = """
from marshmallow import fields
from pyramid.security import NO_PERMISSION_REQUIRED
from pyramid.view import view_config
from scheduling.plugin import (
    AnswerSchema, Code, Missing, Moment, Refusal, Resource, json_response, problem, set_etag)

class Part(AnswerSchema):
    size = fields.Integer()

class Thing(AnswerSchema):
    optional = ("seen",)
    id = fields.Integer()
    key = fields.UUID()
    made_at = Moment()
    note = fields.String(allow_none=True)
    seen = fields.Boolean()
    parts = fields.List(fields.Nested(Part))

def view(name, **options):
    return view_config(context=Resource, name=name, request_method="POST",
                       permission=NO_PERMISSION_REQUIRED, **options)

@view("thing", response=Thing)
@view("things", response=Thing(many=True))
@view("made", response=Thing, status=201)
@view("none", response=None)
@view("undeclared")
def echo(context, request):
    return request.json_body

@view("early", response=Thing, status=202)
def early(context, request):
    request.response.status_int = 200
    return request.json_body

def view_of_thing(method, **options):
    return view_config(context=Resource, name="seen", request_method=method, response=Thing,
                       permission=NO_PERMISSION_REQUIRED, **options)

@view_of_thing("GET", etag=True)
def seen(context, request):
    raise NotImplementedError

@view_of_thing("PATCH")
def changed(context, request):
    if "tagged" in request.GET:
        set_etag(request, request.json_body)
    return request.json_body

@view("placed", response=Thing, status=201, location="/api/v1/things/{id}")
def placed(context, request):
    return json_response(request.json_body, 201) if "nowhere" in request.GET else request.json_body

@view("refused", response=None)
def refused(context, request):
    raise Refusal(Code("storm", 409, "There is a storm."), "It storms.")

@view("missing", response=None)
def missing(context, request):
    raise Missing("There is nothing.")
"""
GOOD = {
    "id": 7,
    "key": "6e1b0b5c-2f5e-4f3c-9c07-0d6b0a3f6a11",
    "made_at": "2027-04-01T09:00:00.000Z",
    "note": None,
    "parts": [{"size": 1}],
}
WRONG = {
    "id is missing": {name: value for name, value in GOOD.items() if name != "id"},
    "secret is not declared by Thing": GOOD | {"secret": 1},
    "id is not a whole number: '7'": GOOD | {"id": "7"},
    "id is not a whole number: True": GOOD | {"id": True},
    "id is null": GOOD | {"id": None},
    "key ": GOOD | {"key": "no UUID"},
    "made_at ['must be an RFC 3339": GOOD | {"made_at": "tomorrow"},
    "made_at is not in UTC with milliseconds": GOOD | {"made_at": "2027-04-01T09:00:00Z"},
    "note is not a string: 7": GOOD | {"note": 7},
    "seen is not true or false: 'yes'": GOOD | {"seen": "yes"},
    "parts is not an array": GOOD | {"parts": {}},
    "parts[0].size is missing": GOOD | {"parts": [{}]},
    "the body is no object": [GOOD],
}


@pytest.fixture
def things(install_plugin, tmp_path):
    """A function that has a plugin answer what is sent."""
    includeme = (
        "from scheduling.plugin import Resource\n"
        'config.add_api_resource("things", Resource)\nconfig.scan("acme.views")'
    )
    install_plugin("acme", includeme=includeme, files={"views.py": VIEWS})
    site = Site(f"sqlite:///{tmp_path}/declared.db", ["acme"])

    def call(name, body=None, status=200, method="post"):
        return getattr(site.anonymous, method)(f"/things/{name}", body, status=status)

    yield call
    site.close()


def test_an_answer_as_declared_passes(things):
    things("thing", GOOD)
    things("thing", GOOD | {"seen": True, "note": "A note."})
    things("things", [GOOD, GOOD])
    things("things", [])
    things("made", GOOD, 201)


def test_a_view_that_declares_nothing_may_answer_anything(things):
    things("undeclared", [1, "two"])


@pytest.mark.parametrize("fault", WRONG)
def test_the_message_names_the_view_and_the_member(things, fault):
    with pytest.raises(AssertionError) as failed:
        things("thing", WRONG[fault])
    assert str(failed.value).startswith("The answer of acme.views.echo (POST /api/v1/things/thing → 200)")
    assert fault in str(failed.value)


def test_the_message_says_which_of_many(things):
    with pytest.raises(AssertionError, match=r"\[1\]\.id is missing"):
        things("things", [GOOD, WRONG["id is missing"]])
    with pytest.raises(AssertionError, match="the body is no array"):
        things("things", GOOD)


def test_headers_that_the_document_promises_are_there(things):
    assert "ETag" in things("seen?tagged=1", GOOD, method="patch").headers
    with pytest.raises(AssertionError, match="there is no ETag"):
        things("seen", GOOD, method="patch")
    assert things("placed", GOOD, 201).headers["Location"] == "/api/v1/things/7"
    with pytest.raises(AssertionError, match="there is no Location"):
        things("placed?nowhere=1", GOOD, 201)


@pytest.mark.parametrize(
    ("name", "fault"),
    [
        ("none", "there is a body"),
        ("early", "the status is not 202"),
        ("refused", "the code 'storm' with this status is not in errors="),
        ("missing", "the code 'not_found' with this status is not in errors="),
    ],
)
def test_a_status_and_a_code_are_declared_too(things, name, fault):
    with pytest.raises(AssertionError, match=fault):
        things(name, GOOD)
