"""What the views declare can be read without a request."""

from types import SimpleNamespace

import pytest

from scheduling.web.declarations import declarations, places
from scheduling.web.resources import Item

ALL_PLUGINS = ("analytics", "bookings", "notifications", "organizations", "reminders")

# What these answer is no JSON that a schema could describe.
PAGES = {f"scheduling.web.pages.{name}" for name in ("catalog", "docs", "static")}


@pytest.fixture
def registry(start_app):
    """The registry of an application with every plugin of this repository."""
    return start_app(*ALL_PLUGINS).registry


def path(place):
    return "/" + "/".join(part if isinstance(part, str) else f"{{{part.__name__}}}" for part in place.parts)


def test_the_tree_is_known(registry):
    assert {path(place): place.below_item for place in places(registry)} == {
        "/": False,
        "/api": False,
        "/health": False,
        "/static": False,
        "/api/v1": False,
        "/api/v1/auth": False,
        "/api/v1/users": False,
        "/api/v1/users/me": False,
        "/api/v1/users/me/preferences": False,
        "/api/v1/outbox": False,
        "/api/v1/outbox/{OutboxMessage}": True,
        "/api/v1/analytics": False,
        "/api/v1/bookings": False,
        "/api/v1/bookings/{Booking}": True,
        "/api/v1/notifications": False,
        "/api/v1/notifications/{Notification}": True,
        "/api/v1/organizations": False,
        "/api/v1/organizations/{Organization}": True,
        "/api/v1/organizations/{Organization}/members": True,
        "/api/v1/organizations/{Organization}/members/{Member}": True,
    }


def test_every_view_is_at_a_place(registry):
    views = [entry["introspectable"] for entry in registry.introspector.get_category("views")]
    ours = {
        view["context"]
        for view in views
        if isinstance(view["context"], type)
        and not issubclass(view["context"], Exception)
        and view["callable"].__module__ not in PAGES
    }
    found = {one.place.resource for one in declarations(registry) if one.callable.__module__ not in PAGES}
    assert found == ours


def test_every_view_of_ours_but_pages_says_what_it_answers(registry):
    undeclared = [one.callable for one in declarations(registry) if not one.is_declared]
    assert [view for view in undeclared if view.__module__ not in PAGES] == []


def test_codes_follow_from_what_a_view_declares(registry):
    found = {
        (d.method, path(d.place), d.view_name): {code.word for code in d.codes}
        for d in declarations(registry)
    }
    anywhere = {"internal", "unavailable"}
    # An operator may give users a budget for all calls.
    known = {"unauthenticated", "token_expired", "token_revoked", "forbidden", "rate_limited"}
    body = {"invalid", "too_large", "unsupported_media_type"}
    assert found["GET", "/health", "live"] == anywhere
    assert found["GET", "/api/v1/users", ""] == anywhere | known | {"invalid"}
    assert found["GET", "/api/v1/bookings/{Booking}", ""] == anywhere | known | {"not_found"}
    key = {"idempotency_running", "idempotency_mismatch"}
    match = {"stale", "precondition_required"}
    assert found["POST", "/api/v1/bookings", ""] == (
        anywhere | known | body | {"conflict", "time_taken"} | key
    )
    # What is sent with a key is compared, though this view does not look at it.
    assert found["DELETE", "/api/v1/bookings/{Booking}", ""] == (
        anywhere | known | {"not_found", "conflict", "invalid", "too_large"} | key | match
    )
    limited = anywhere | body | {"conflict", "rate_limited"}
    assert found["POST", "/api/v1/auth", "register"] == limited


@pytest.mark.parametrize(
    "options",
    [
        "response=7",
        "errors=7",
        "errors=(409,)",
        'errors=(Code("conflict", 418, "Tea."),)',
        "operation_id=7",
        'operation_id="do it"',
    ],
    ids=["no schema", "no tuple", "no code", "code of ours", "no text", "no name"],
)
def test_a_declaration_of_another_type_stops_the_start(install_plugin, start_app, options):
    view = f"""
from pyramid.security import NO_PERMISSION_REQUIRED
from scheduling.plugin import Code, Resource
def wrong(context, request): ...
config.add_view(wrong, context=Resource, name="acme", permission=NO_PERMISSION_REQUIRED, {options})
"""
    install_plugin("acme", includeme=view)
    with pytest.raises(SystemExit, match="wrong"):
        start_app("acme")


def test_two_views_with_one_operation_id_stop_the_start(install_plugin, start_app):
    views = """
from pyramid.security import NO_PERMISSION_REQUIRED
from scheduling.plugin import Resource
class One(Resource): ...
class Other(Resource): ...
def first(context, request): ...
def second(context, request): ...
def add(view, context):
    config.add_view(view, context=context, name="acme", permission=NO_PERMISSION_REQUIRED,
                    operation_id="do_acme")
add(first, One)
add(first, Other)
"""
    install_plugin("acme", includeme=views)
    start_app("acme")
    install_plugin("twice", includeme=f"{views}add(second, Resource)")
    with pytest.raises(SystemExit, match="operation_id='do_acme'"):
        start_app("twice")


def test_a_resource_of_somebody_else_may_find_its_children_itself(install_plugin, start_app):
    own = """
from scheduling.plugin import Resource
class Things(Resource):
    def __getitem__(self, name):
        return Resource(self.request, name, self)
config.add_api_resource("things", Things)
"""
    install_plugin("acme", includeme=own)
    registry = start_app("acme").registry
    assert "/api/v1/things" in {path(place) for place in places(registry)}
    things = registry.api_resources["things"](SimpleNamespace(registry=registry), "things", None)
    assert things["anything"].__name__ == "anything"


def test_a_word_that_meant_something_else_in_an_older_plugin_declares_nothing(install_plugin, start_app):
    own = """
from pyramid.decorator import reify
from scheduling.plugin import Resource
class Things(Resource):
    def children(self):
        return ["one"]
    @reify
    def item(self):
        return "the newest one"
config.add_api_resource("things", Things)
"""
    install_plugin("acme", includeme=own)
    registry = start_app("acme").registry
    below = {path(place) for place in places(registry) if path(place).startswith("/api/v1/things")}
    assert below == {"/api/v1/things"}
    things = registry.api_resources["things"](SimpleNamespace(registry=registry), "things", None)
    assert things.item == "the newest one"
    with pytest.raises(KeyError):
        things["7"]


@pytest.mark.parametrize("order", [("Resource", "Things"), ("Things", "Resource")])
def test_the_view_for_the_more_special_class_comes_last(install_plugin, start_app, order):
    own = """
from pyramid.security import NO_PERMISSION_REQUIRED
from scheduling.plugin import Resource
class Things(Resource):
    pass
def of_resource(context, request): ...
def of_things(context, request): ...
views = {"Resource": of_resource, "Things": of_things}
def add(name):
    context = {"Resource": Resource, "Things": Things}[name]
    config.add_view(views[name], context=context, name="acme", request_method="GET",
                    permission=NO_PERMISSION_REQUIRED)
config.add_api_resource("things", Things)
"""
    install_plugin("acme", includeme=own + "\n".join(f"add({name!r})" for name in order))
    found = declarations(start_app("acme").registry)
    at_things = [one for one in found if path(one.place) == "/api/v1/things" and one.view_name == "acme"]
    assert [one.callable.__name__ for one in at_things] == ["of_resource", "of_things"]


def test_an_item_is_found_by_its_id_alone(registry):
    bookings = registry.api_resources["bookings"](SimpleNamespace(registry=registry), "bookings", None)
    assert isinstance(bookings["7"], Item)
    for name in ("0", "x", "", "007"):
        with pytest.raises(KeyError):
            bookings[name]
