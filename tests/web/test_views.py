"""Every view says who may call it, and what everybody may call is a list that somebody looked at."""

import uuid
from contextlib import suppress

import pytest
from pyramid.config.views import isexception
from pyramid.security import NO_PERMISSION_REQUIRED

from scheduling.exceptions import StartupError
from scheduling.security.permissions import Permission
from scheduling.web.request import Request
from scheduling.web.resources import Item

PUBLIC = {
    "GET Root",
    "GET Root/.well-known/api-catalog",
    "GET Root/docs",
    "GET StaticFile",
    "GET Health",
    "GET Health/live",
    "GET Health/ready",
    "GET Health/startup",
    "GET Version1/openapi.json",
    "POST Auth/login",
    "POST Auth/register",
    "POST Analytics/event",
}

UNDECLARED_VIEW = """
from scheduling.plugin import Resource
def forgotten(context, request): ...
config.add_view(forgotten, context=Resource, name="acme", {options})
"""


@pytest.fixture
def views(start_app):
    """The permissions of each view of core and all plugins, by method, resource and name."""
    app = start_app("analytics", "bookings", "notifications", "organizations", "reminders")
    found = {}
    for entry in app.registry.introspector.get_category("views"):
        view = entry["introspectable"]
        if not isexception(view["context"]):
            where = "/".join(filter(None, [getattr(view["context"], "__name__", "*"), view["name"]]))
            permissions = [item["value"] for item in entry["related"] if item.category_name == "permissions"]
            found[f"{view['request_methods']} {where}"] = permissions
    return found


def test_every_view_names_one_permission_of_the_enum_or_none_at_all(views):
    assert len(views) > len(PUBLIC)
    known = {NO_PERMISSION_REQUIRED, *Permission}
    assert {name: held for name, held in views.items() if len(held) != 1 or held[0] not in known} == {}


def test_only_the_views_of_a_short_list_are_public(views):
    assert {name for name, held in views.items() if NO_PERMISSION_REQUIRED in held} == PUBLIC


def test_every_view_that_makes_one_thing_says_where_it_is(start_app):
    app = start_app("analytics", "bookings", "notifications", "organizations", "reminders")
    views = [entry["introspectable"] for entry in app.registry.introspector.get_category("views")]
    making = [view for view in views if view.get("status") == 201]
    nowhere = {view["context"].__name__ for view in making if not view.get("location")}
    # Nobody can ask for a single one of its events.
    assert nowhere == {"Analytics"}


@pytest.mark.parametrize("options", ["", "request_method='POST'", "permission=None"])
def test_view_without_a_permission_stops_the_start_with_its_name(install_plugin, start_app, options):
    install_plugin("acme", includeme=UNDECLARED_VIEW.format(options=options))

    with pytest.raises(StartupError) as raised:
        start_app("acme")

    message = str(raised.value)
    assert "The plugin 'acme' of acme 2.1 could not be set up (" in message
    assert "forgotten" in message
    assert "names no permission; give it one, or NO_PERMISSION_REQUIRED" in message


def test_view_with_a_permission_starts(install_plugin, start_app):
    install_plugin("acme", includeme=UNDECLARED_VIEW.format(options="permission='view'"))
    assert start_app("acme")


def test_what_is_found_by_an_id_in_a_container_of_the_api_is_an_item(start_app):
    """It cannot forget to end its ACL, as a plain resource would inherit what the container allows."""
    request = Request.blank("/")
    request.registry = start_app(
        "analytics", "bookings", "notifications", "organizations", "reminders"
    ).registry
    found = []
    for name, factory in request.registry.api_resources.items():
        container = factory(request, name, None)
        for identifier in ("1", str(uuid.uuid4())):
            with suppress(KeyError):
                found.append(container[identifier])
    assert len(found) >= 4
    assert all(isinstance(resource, Item) for resource in found)
