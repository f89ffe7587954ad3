"""What a plugin adds to another's thing: to its bodies and answers, and below its resources."""

from types import SimpleNamespace

import pytest
from marshmallow import Schema, fields

from scheduling.exceptions import StartupError
from scheduling.testing import Site
from scheduling.web.members import Member, extended
from scheduling.web.schemas import AnswerSchema, RequestSchema

THEME = """
from marshmallow import fields
from scheduling.plugin import Choice
config.add_preference("theme", lambda: Choice("light", "dark"), "light")
"""
ALARMS = """
from marshmallow import RAISE, Schema, fields
class NewAlarm(Schema):
    class Meta:
        unknown = RAISE
    minutes = fields.Integer(strict=True)
config.add_preference("alarms", lambda: fields.List(fields.Nested(NewAlarm)), [])
"""
PATH = "/users/me/preferences"


@pytest.fixture
def site_with(install_plugin, empty_database_url):
    """A function that installs a third party's plugin and gives a site with it."""
    sites = []

    def make(includeme, name="acme"):
        install_plugin(name, includeme=includeme)
        sites.append(Site(empty_database_url, [name]))
        return sites[-1]

    yield make
    for site in sites:
        site.close()


def test_a_third_partys_member_is_below_its_name(site_with):
    alice = site_with(THEME).user()
    assert alice.get(PATH).json["extensions"] == {"acme": {"theme": "light"}}
    changed = alice.patch(PATH, {"extensions": {"acme": {"theme": "dark"}}}, status=200).json
    assert changed["extensions"] == {"acme": {"theme": "dark"}}
    assert alice.get(PATH).json == changed


@pytest.mark.parametrize(
    ("sent", "field"),
    [
        ({"acme": {"theme": "pink"}}, "extensions.acme.theme"),
        ({"acme": {"colour": "red"}}, "extensions.acme.colour"),
        ({"other": {"theme": "dark"}}, "extensions.other"),
        ({"acme": "dark"}, "extensions.acme"),
        ("dark", "extensions"),
    ],
)
def test_what_no_plugin_has_added_below_extensions_is_a_400_that_names_it(site_with, sent, field):
    alice = site_with(THEME).user()
    assert set(alice.patch(PATH, {"extensions": sent}, status=400).json["errors"]) == {field}


@pytest.mark.parametrize(
    ("sent", "told"),
    [
        ({"acme": []}, "must be an object"),
        ([], "must be an object"),
        ({"acme": {"theme": 1}}, "must be a string"),
        ({"acme": {"alarms": 1}}, "must be a list"),
        ({"acme": {"alarms": [{"minutes": "?"}]}}, "must be a whole number"),
    ],
)
def test_what_is_of_a_wrong_kind_is_told_in_a_sentence(site_with, sent, told):
    answer = site_with(THEME + ALARMS).user().patch(PATH, {"extensions": sent}, status=400).json
    assert [*answer["errors"].values()] == [[told]]
    assert answer["detail"].endswith(told)


def test_the_openapi_document_has_the_members(site_with):
    site = site_with(THEME)
    schemas = site.anonymous.get("/openapi.json").json["components"]["schemas"]
    for name in ("Preferences", "PreferencesPatch"):
        members = schemas[name]["properties"]
        assert {"notices", "extensions"} <= members.keys()


def test_what_a_member_nests_is_closed_when_it_is_sent_and_open_in_answers(site_with):
    site = site_with(ALARMS)
    schemas = site.anonymous.get("/openapi.json").json["components"]["schemas"]
    assert schemas["NewAlarm"]["additionalProperties"] is False
    assert "additionalProperties" not in schemas["NewAlarmAnswer"]
    assert schemas["NewAlarmAnswer"]["required"] == ["minutes"]
    alice = site.user()
    assert set(
        alice.patch(PATH, {"extensions": {"acme": {"alarms": [{"hours": 1}]}}}, status=400).json["errors"]
    )
    sent = {"extensions": {"acme": {"alarms": [{"minutes": 5}]}}}
    assert alice.patch(PATH, sent, status=200).json["extensions"] == sent["extensions"]


class NewTrip(RequestSchema):
    members_of = "trip"

    title = fields.String()


class TripAnswer(AnswerSchema):
    members_of = "trip"

    title = fields.String()


class Trips(Schema):
    latest = fields.Nested(TripAnswer, data_key="newest", allow_none=True)
    all = fields.List(fields.Nested(TripAnswer), metadata={"description": "All."})


def registry_with(*names):
    """What a registry has of members that come with Scheduling."""
    added = {
        name: Member(name, None, fields.String, "", None, "'weather' of scheduling 2.1") for name in names
    }
    return SimpleNamespace(members={"trip": added}, extended_schemas={})


def test_a_schema_that_nests_a_thing_has_its_members_also_in_lists():
    found = extended(registry_with("mood"), Trips)().fields
    assert "mood" in found["latest"].schema.fields
    assert (found["latest"].data_key, found["latest"].allow_none) == ("newest", True)
    assert "mood" in found["all"].inner.schema.fields
    assert found["all"].metadata == {"description": "All."}


def test_a_schema_without_members_is_as_it_was():
    assert extended(registry_with(), Trips) is Trips


def test_a_member_of_a_name_that_the_thing_has_stops_the_start():
    told = r"'weather' of scheduling 2\.1 adds the member 'title', which NewTrip has itself"
    with pytest.raises(StartupError, match=told):
        extended(registry_with("title"), NewTrip)


def test_members_of_two_plugins_with_one_name_are_apart(install_plugin, empty_database_url):
    for name in ("acme", "acme_two"):
        install_plugin(name, includeme=THEME)
    site = Site(empty_database_url, ["acme", "acme_two"])
    alice = site.user()
    changed = alice.patch(PATH, {"extensions": {"acme_two": {"theme": "dark"}}}, status=200).json
    assert changed["extensions"] == {"acme": {"theme": "light"}, "acme_two": {"theme": "dark"}}
    site.close()


def test_one_plugin_that_adds_a_member_twice_stops_the_start(install_plugin, start_app):
    twice = "from marshmallow import fields\n" + "config.add_preference('theme', fields.String, '')\n" * 2
    install_plugin("acme", includeme=twice)
    with pytest.raises(StartupError, match=r"both add the member 'acme\.theme'"):
        start_app("acme")


@pytest.mark.parametrize(
    ("added", "told"),
    [
        ("'bokking', 'mood', fields.String", "'mood' to 'bokking', which no enabled plugin has; there are: "),
        ("'booking', 'mood', lambda: 1 / 0", "'mood', whose field cannot be made .ZeroDivisionError: "),
        ("'booking', 'mood', fields.String()", "'mood', whose field cannot be made .TypeError: "),
        (
            "'booking', 'mood', lambda: 'text'",
            "'mood', whose field cannot be made .it gives 'text', which is",
        ),
        ("'booking', 'mood', fields.Raw, object()", "'mood' to 'booking', whose default is not JSON: "),
    ],
)
def test_a_member_that_cannot_be_added_stops_the_start_with_its_plugins_name(
    install_plugin, start_app, added, told
):
    install_plugin("acme", includeme=f"from marshmallow import fields\nconfig.add_member({added})")
    with pytest.raises(
        StartupError, match=told.replace("'mood'", r"^'acme' of acme 2\.1 .* 'acme\.mood'", 1)
    ):
        start_app("acme", "bookings")


CHILD = """
from pyramid.security import NO_PERMISSION_REQUIRED
from scheduling.plugin import Resource
from scheduling_bookings.resources import Booking
class Notes(Resource):
    pass
config.add_child(Booking, {name!r}, Notes)
config.add_view(lambda context, request: [context.__parent__.id], context=Notes, request_method="GET",
                permission={permission})
"""
VIEW = '"view"'


def test_a_child_below_another_plugins_item_is_found_before_views_and_has_its_rules(
    install_plugin, empty_database_url
):
    own = CHILD.format(name="notes", permission="__import__('scheduling.plugin').plugin.Permission.VIEW")
    install_plugin("acme", manifest="{'requires': ('bookings',)}", includeme=own)
    site = Site(empty_database_url, ["acme", "bookings"])
    alice, bob = site.user("Alice"), site.user("Bob")
    sent = {"title": "T", "start": "2099-01-01T10:00:00Z", "end": "2099-01-01T11:00:00Z"}
    booking = alice.post("/bookings", sent, status=201).json["booking"]["id"]
    assert alice.get(f"/bookings/{booking}/notes", status=200).json == [booking]
    bob.get(f"/bookings/{booking}/notes", status=403)
    alice.get("/bookings/999/notes", status=404)
    assert "/api/v1/bookings/{booking_id}/notes" in site.anonymous.get("/openapi.json").json["paths"]
    site.close()


@pytest.mark.parametrize(
    ("parent", "name", "told"),
    [
        (
            "scheduling.plugin.Me",
            "preferences",
            "Scheduling itself and 'acme' of acme 2.1 both claim",
        ),
        ("scheduling.accounts.resources.Users", "me", "which Users has itself"),
        ("scheduling.plugin.Me", "password", "which is the name of a view there"),
        ("scheduling.web.resources.Version1", "weather", "Version1 looks up by itself what it has"),
        ("scheduling.accounts.resources.Users", "12", "claims Users/12, but a name is letters"),
        ("scheduling.accounts.resources.Users", "a/b", "claims Users/a/b, but a name is letters"),
        ("scheduling.accounts.resources.Users", "", "claims Users/, but a name is letters"),
    ],
)
def test_a_name_that_is_taken_stops_the_start(install_plugin, start_app, parent, name, told):
    module, _, cls = parent.rpartition(".")
    own = f"""
from scheduling.plugin import Resource
from {module} import {cls}
config.add_child({cls}, {name!r}, Resource)
"""
    install_plugin("acme", includeme=own)
    with pytest.raises(StartupError, match=told):
        start_app("acme")


THINGS = """
from scheduling.plugin import Resource
class Things(Resource):
    pass
config.add_api_resource({name!r}, Things)
config.add_child(Things, "parts", Resource)
"""


def test_classes_of_one_name_are_two_parents(install_plugin, start_app):
    for name in ("acme", "bolt"):
        install_plugin(name, includeme=THINGS.format(name=name))
    start_app("acme", "bolt")


TWICE = """
from scheduling.plugin import Resource
from scheduling.plugin import Me
class Mine(Me):
    pass
config.add_child({parent}, "parts", Resource)
"""


def test_of_a_class_and_one_derived_from_it_only_one_can_be_given_a_child_of_a_name(
    install_plugin, start_app
):
    install_plugin("acme", includeme=TWICE.format(parent="Me"))
    install_plugin("bolt", includeme=TWICE.format(parent="Mine"))
    with pytest.raises(
        StartupError, match=r"'acme' of acme 2\.1 and 'bolt' of bolt 2\.1 both claim Mine/parts"
    ):
        start_app("acme", "bolt")
