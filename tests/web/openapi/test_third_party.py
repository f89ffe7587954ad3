"""What a plugin of somebody else registers is in the document, whatever shape it has."""

import pytest
from pyramid.exceptions import ConfigurationError

from scheduling.web.openapi.document import make_document

VIEWS = '''
from decimal import Decimal
from marshmallow import Schema, fields, validate
from pyramid.security import NO_PERMISSION_REQUIRED
from pyramid.view import view_config, view_defaults
from scheduling.plugin import (
    AnswerSchema, Choice, Code, EmailAddress, Item, JsonObject, Moment, OneLine, PageQuery, PatchSchema,
    RequestSchema, Resource, Text, WholeNumber, parse_uuid)
from scheduling.plugin import Configurator

FULL = Code("folder_full", 409, "The folder has too many things.")


class Colour(fields.Field):
    json_schema = {"type": "string", "pattern": "^#[0-9a-f]{6}$"}


class Thing(Item):
    children = {}


class Things(Resource):
    """Some things."""
    item = Thing
    parse_item_id = parse_uuid


class Folder(Item):
    id_name = "name"
    children = {"things": Things}


class Folders(Resource):
    item = Folder
    parse_item_id = staticmethod(str)


# A folder in a folder: it could go on for ever.
Folder.item = Folder


class Early(Resource):
    """What comes first by its path."""


class Dynamic(Resource):
    def __getitem__(self, name):
        return Things(self.request, name, self)


class NewBooking(RequestSchema):
    """The same name as one of the plugin bookings."""
    synonyms = {"tint": "colour"}
    colour = Colour(required=True, metadata={"description": "As in HTML.", "examples": ["#ff0000"]})
    size = fields.Integer(load_default=3, validate=validate.Range(1, 9))
    price = fields.Decimal(load_default=Decimal("1.50"))


class BookingAnswer(AnswerSchema):
    """The same name as one of the plugin bookings, too."""
    colour = Colour()


class Change(PatchSchema):
    note = Text(limit=10)


class ThingAnswer(AnswerSchema):
    optional = ("note",)
    id = fields.UUID()
    note = fields.String()
    kind = fields.Constant("thing")
    seen_at = Moment(allow_none=True)
    extra = JsonObject(allow_none=True)


class FolderAnswer(AnswerSchema):
    name = fields.String()
    first = fields.Nested(ThingAnswer(only=("id",)))
    last = fields.Nested(ThingAnswer(load_only=("note",)))


def view(**options):
    return view_config(permission="view", **options)


@view(context=Things, request_method="POST", schema=NewBooking, status=201, response=ThingAnswer,
      errors=(FULL,))
def create(context, request):
    """Make a ``thing``.

    It is kept.
    """


@view(context=Things, request_method="GET", query=PageQuery, response=ThingAnswer(many=True))
def index(context, request):
    """List things."""


@view(context=Thing, request_method=("GET", "HEAD"), etag=True, response=ThingAnswer)
def show(context, request):
    """Show a thing."""


@view(context=Thing, request_method="PATCH", schema=Change, response=None, status=204)
def change(context, request):
    """Change a thing."""


@view(context=Thing, request_method=("DELETE", "PUT"))
def undeclared(context, request):
    """Do something."""


@view(context=Early, request_method="GET", response=BookingAnswer, operation_id="list_bookings")
def early(context, request):
    """Look for trouble."""


@view(context=Thing, request_method=("OPTIONS", "REPORT"))
def other_methods(context, request):
    """Do what OpenAPI has no word for."""


@view(context=Folder, request_method="GET", response=FolderAnswer, operation_id="get_thing")
def folder(context, request):
    """Show a folder."""


@view_defaults(context=Things, permission=NO_PERMISSION_REQUIRED, request_method="GET")
class Numbers:
    def __init__(self, context, request): ...

    @view_config(name="head-count", attr="count")
    def count(self):
        """Count things."""
'''
INCLUDEME = """
from acme import views
config.add_api_resource("things", views.Things)
config.add_api_resource("folders", views.Folders)
config.add_api_resource("dynamic", views.Dynamic)
config.add_api_resource("aaa", views.Early)
config.add_api_resource("made", lambda request, name, parent: None)
config.add_problem_code(views.FULL)
config.scan("acme.views")
"""


@pytest.fixture
def document(install_plugin, start_app):
    install_plugin("acme", includeme=INCLUDEME, files={"views.py": VIEWS})
    return make_document(start_app("bookings", "acme").registry)


@pytest.fixture
def paths(document):
    return {path[7:]: item for path, item in document["paths"].items() if path.startswith("/api/v1/")}


def test_paths_are_those_of_the_declared_tree(paths):
    theirs = {path for path in paths if path.split("/")[1] in ("things", "folders", "dynamic", "made")}
    assert theirs == {
        "/things",
        "/things/{thing_id}",
        "/things/head-count",
        "/folders/{name}",
        "/folders/{name}/things",
        "/folders/{name}/things/{thing_id}",
        "/folders/{name}/things/head-count",
    }


def test_a_view_of_another_method_is_not_told(paths):
    assert set(paths["/things/{thing_id}"]) == {"get", "patch", "delete", "put"}


def test_an_id_is_what_its_parser_reads(paths):
    [thing, _] = paths["/things/{thing_id}"]["get"]["parameters"]
    assert thing["schema"] == {"type": "string", "format": "uuid"}
    [folder] = paths["/folders/{name}"]["get"]["parameters"]
    assert (folder["name"], folder["schema"]) == ("name", {"type": "string"})


def test_operations_have_names_of_their_own(paths):
    ids = {(path, method): op["operationId"] for path, item in paths.items() for method, op in item.items()}
    assert len(set(ids.values())) == len(ids)
    assert ids["/folders/{name}", "get"] == "get_thing"
    assert ids["/folders/{name}/things", "post"] == "create_thing"
    assert ids["/things", "post"] == "post_api_v1_things"
    assert ids["/folders/{name}/things/head-count", "get"] == "get_head_count_things"
    assert ids["/things/head-count", "get"] == "get_api_v1_things_head_count"
    assert ids["/things/{thing_id}", "get"] == "get_api_v1_things_thing_id"


def test_calls_and_schemas_of_ours_are_called_as_without_the_plugin(document, start_app):
    ours = make_document(start_app("bookings").registry)
    for path, item in ours["paths"].items():
        for method, operation in item.items():
            assert document["paths"][path][method] == operation
    for name, schema in ours["components"]["schemas"].items():
        assert document["components"]["schemas"][name] == schema
    # Its path is before that of bookings.
    added = document["paths"]["/api/v1/aaa"]["get"]
    assert added["operationId"] == "get_api_v1_aaa"
    answered = added["responses"]["200"]["content"]["application/json"]["schema"]
    assert answered == {"$ref": "#/components/schemas/BookingAnswer"}


def test_a_docstring_is_summary_and_description(paths):
    told = paths["/things"]["post"]
    assert (told["summary"], told["description"]) == ("Make a thing", "It is kept.")
    assert paths["/things/head-count"]["get"]["summary"] == "Count things"


def test_a_body_is_told_with_what_fields_say_of_themselves(document, paths):
    body = paths["/things"]["post"]["requestBody"]
    assert body["content"]["application/json"]["schema"]["$ref"] == "#/components/schemas/acme.NewBooking"
    assert document["components"]["schemas"]["acme.NewBooking"]["properties"] == {
        "colour": {
            "type": "string",
            "pattern": "^#[0-9a-f]{6}$",
            "description": "As in HTML. `tint` is understood too.",
            "examples": ["#ff0000"],
        },
        "size": {"type": "integer", "format": "int64", "default": 3, "minimum": 1, "maximum": 9},
        "price": {"type": "number", "default": 1.5},
    }
    assert body["required"] is True
    assert body["content"]["application/json"]["example"] == {
        "colour": "#ff0000",
        "size": 3,
        "price": 1.5,
    }


def test_two_schemas_of_one_name_are_two(document):
    schemas = document["components"]["schemas"]
    assert "title" in schemas["NewBooking"]["properties"]
    assert "colour" in schemas["acme.NewBooking"]["properties"]
    assert len([name for name in schemas if name.endswith("NewBooking")]) == 2


def test_a_patch_wants_one_member(document):
    assert document["components"]["schemas"]["Change"]["minProperties"] == 1


def test_an_answer_is_told_with_what_may_be_missing_or_null(document):
    thing = document["components"]["schemas"]["Thing"]
    assert thing["required"] == ["extra", "id", "kind", "seen_at"]
    assert thing["properties"]["kind"] == {"const": "thing"}
    assert thing["properties"]["seen_at"] == {"type": ["string", "null"], "format": "date-time"}
    assert thing["properties"]["extra"]["type"] == ["object", "null"]
    # A later release may add members.
    assert "additionalProperties" not in thing


def test_a_part_of_a_schema_is_told_in_place(document):
    members = document["components"]["schemas"]["Folder"]["properties"]
    assert list(members["first"]["properties"]) == ["id"]
    assert set(members["last"]["properties"]) == {"id", "note", "kind", "seen_at", "extra"}
    assert "additionalProperties" not in members["first"]
    assert [name for name in document["components"]["schemas"] if "Thing" in name] == ["Thing"]


def test_a_code_of_their_own_is_among_the_problems(document, paths):
    reference = paths["/things"]["post"]["responses"]["409"]["$ref"].rpartition("/")[2]
    assert (
        "`folder_full`: The folder has too many things."
        in document["components"]["responses"][reference]["description"]
    )


def test_an_answer_without_a_body_or_a_declaration_has_no_content(paths):
    assert "content" not in paths["/things/{thing_id}"]["patch"]["responses"]["204"]
    assert "content" not in paths["/things/{thing_id}"]["delete"]["responses"]["200"]


def test_what_cannot_be_described_names_the_call(install_plugin, start_app):
    broken = """
from marshmallow import fields
from pyramid.security import NO_PERMISSION_REQUIRED
from scheduling.plugin import AnswerSchema, Resource
class Broken(AnswerSchema):
    other = fields.Nested("NoSuchSchema")
class Acme(Resource): ...
config.add_api_resource("acme", Acme)
def view(context, request): ...
config.add_view(view, context=Acme, request_method="GET", permission=NO_PERMISSION_REQUIRED, response=Broken)
"""
    install_plugin("acme", includeme=broken)
    app = start_app("acme")
    with pytest.raises(ConfigurationError, match=r"GET /api/v1/acme .*NoSuchSchema"):
        make_document(app.registry)
