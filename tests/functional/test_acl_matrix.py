"""Who may do what: every principal by permission by resource, then every principal by view over HTTP."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import orjson
import pytest
import sqlalchemy as sa
from marshmallow import fields
from pyramid.interfaces import IExceptionResponse, IRootFactory, ISecurityPolicy, ITraverser

from scheduling.accounts.models import users
from scheduling.db.session import Session, session_scope
from scheduling.exceptions import Missing
from scheduling.messaging.models import State, outbox
from scheduling.preferences.models import user_preferences
from scheduling.security.permissions import Permission
from scheduling.testing import Client
from scheduling.testing.site import PASSWORD
from scheduling.web.declarations import declarations
from scheduling.web.request import Request
from scheduling.web.resources import Item, Resource
from scheduling_bookings.models import bookings
from scheduling_notifications.models import notifications
from scheduling_organizations.models import organization_members, organizations

PRINCIPALS = ("anonymous", "owner", "other", "member", "org_admin", "site_admin")
LETTERS = {letter[0].upper(): letter for letter in Permission}

# Grants by their first letters: List, View, Create, Edit, Delete; "-" is none, "404" that not even its
# existence is told. The columns are PRINCIPALS. {me} is the principal's own id, {colleague} a member's who
# is none of them. The owner owns the booking, the organization and the notification; member and org_admin
# belong to the organization, org_admin with the role admin; other belongs to nothing.
GRANTS = """
Root           /                                     -     -     -     -     -     -
Health         /health                               -     -     -     -     -     -
StaticFiles    /static                               -     -     -     -     -     -
StaticFile     /static/{file}                        -     -     -     -     -     -
Api            /api                                  -     -     -     -     -     -
Version1       /api/v1                               -     -     -     -     -     -
Auth           /api/v1/auth                          -     VE    VE    VE    VE    VE
Users          /api/v1/users                         -     -     -     -     -     L
Me             /api/v1/users/me                      -     VE    VE    VE    VE    LVE
Preferences    /api/v1/users/me/preferences          -     VE    VE    VE    VE    LVE
Bookings       /api/v1/bookings                      -     LC    LC    LC    LC    LC
Booking        /api/v1/bookings/{booking}            -     VED   -     -     -     VED
Organizations  /api/v1/organizations                 -     LC    LC    LC    LC    LC
Organization   /api/v1/organizations/{org}           -     VED   -     V     V     VED
Members        /api/v1/organizations/{org}/members   -     VCED  -     V     V     VED
Member         …/members/{me}                        -     D     D     D     D     D
Member         …/members/{colleague}                 -     D     -     -     -     D
Notifications  /api/v1/notifications                 -     LE    LE    LE    LE    LE
Notification   /api/v1/notifications/{notification}  -     ED    404   404   404   404
Analytics      /api/v1/analytics                     -     V     V     V     V     LV
Outbox         /api/v1/outbox                        -     -     -     -     -     L
OutboxMessage  /api/v1/outbox/{message}              -     -     -     -     -     VE
"""

# One request to each view, and its status for each of PRINCIPALS. "public" views need no token.
VIEWS = """
GET     /                                             200  200  200  200  200  200
GET     /docs                                         200  200  200  200  200  200
GET     /.well-known/api-catalog                      200  200  200  200  200  200
GET     /static/{file}                                200  200  200  200  200  200
GET     /health                                       200  200  200  200  200  200
GET     /health/live                                  200  200  200  200  200  200
GET     /health/ready                                 200  200  200  200  200  200
GET     /health/startup                               200  200  200  200  200  200
GET     /api/v1/openapi.json                          200  200  200  200  200  200
POST    /api/v1/auth/register                         201  201  201  201  201  201
POST    /api/v1/auth/login                            200  200  200  200  200  200
POST    /api/v1/auth/logout                           401  200  200  200  200  200
GET     /api/v1/auth/verify                           401  200  200  200  200  200
GET     /api/v1/users                                 401  403  403  403  403  200
GET     /api/v1/users/me                              401  200  200  200  200  200
PATCH   /api/v1/users/me                              401  200  200  200  200  200
PATCH   /api/v1/users/me/password                     401  200  200  200  200  200
GET     /api/v1/users/me/preferences                  401  200  200  200  200  200
PATCH   /api/v1/users/me/preferences                  401  200  200  200  200  200
POST    /api/v1/bookings                              401  201  201  201  201  201
GET     /api/v1/bookings                              401  200  200  200  200  200
GET     /api/v1/bookings/freebusy?{window}            401  200  200  200  200  200
GET     /api/v1/bookings/freebusy?{of_owner}          401  200  403  200  200  403
GET     /api/v1/bookings/{booking}                    401  200  403  403  403  200
PATCH   /api/v1/bookings/{booking}                    401  200  403  403  403  200
DELETE  /api/v1/bookings/{booking}                    401  200  403  403  403  200
POST    /api/v1/bookings/{cancelled}/restore          401  200  403  403  403  200
POST    /api/v1/organizations                         401  201  201  201  201  201
GET     /api/v1/organizations                         401  200  200  200  200  200
GET     /api/v1/organizations/{org}                   401  200  403  200  200  200
PATCH   /api/v1/organizations/{org}                   401  200  403  403  403  200
DELETE  /api/v1/organizations/{org}                   401  200  403  403  403  200
POST    /api/v1/organizations/{org}/members           401  201  403  403  403  403
GET     /api/v1/organizations/{org}/members           401  200  403  200  200  200
DELETE  …/members/{colleague}                         401  200  403  403  403  200
DELETE  …/members/{me}                                401  400  404  200  200  404
GET     /api/v1/notifications                         401  200  200  200  200  200
GET     /api/v1/notifications/unread                  401  200  200  200  200  200
GET     /api/v1/notifications/count                   401  200  200  200  200  200
PATCH   /api/v1/notifications/read-all                401  200  200  200  200  200
PATCH   /api/v1/notifications/{notification}/read     401  200  404  404  404  404
DELETE  /api/v1/notifications/{notification}          401  200  404  404  404  404
POST    /api/v1/analytics/event                       201  201  201  201  201  201
GET     /api/v1/analytics/dashboard                   401  200  200  200  200  200
GET     /api/v1/analytics/series                      401  200  200  200  200  200
GET     /api/v1/analytics/events                      401  403  403  403  403  200
GET     /api/v1/outbox                                401  403  403  403  403  200
GET     /api/v1/outbox/{message}                      401  403  403  403  403  200
POST    /api/v1/outbox/{message}/redrive              401  403  403  403  403  202
"""

NEW_BOOKING = {
    "title": "T",
    "start": "2099-01-01T10:00:00Z",
    "end": "2099-01-01T11:00:00Z",
    "reminders": [{"minutes": 30, "channel": "email"}],
}
BODIES = {
    "POST /api/v1/auth/register": {"name": "New", "email": "new@example.com", "password": PASSWORD},
    "POST /api/v1/auth/login": {"email": "colleague@example.com", "password": PASSWORD},
    "PATCH /api/v1/users/me": {"name": "Renamed"},
    "PATCH /api/v1/users/me/password": {"currentPassword": PASSWORD, "newPassword": "another secret"},
    "PATCH /api/v1/users/me/preferences": {"notices": {"BOOKING_CONFIRMED": {"email": False}}},
    "POST /api/v1/bookings": NEW_BOOKING,
    "PATCH /api/v1/bookings/{booking}": {"title": "Renamed"},
    "POST /api/v1/organizations": {"name": "New"},
    "PATCH /api/v1/organizations/{org}": {"name": "Renamed"},
    "POST /api/v1/organizations/{org}/members": {"email": "other@example.com"},
    "POST /api/v1/analytics/event": {"eventType": "click"},
}


def rows(table, words):
    """Give each line's first words and, as the last item, a dictionary of its other words by principal."""
    for line in table.strip().splitlines():
        cells = line.replace("…", "/api/v1/organizations/{org}").split()
        yield *cells[:words], dict(zip(PRINCIPALS, cells[words:], strict=True))


@dataclass
class Scene:
    """A site with one account for each principal, and what the owner has."""

    site: object
    clients: dict
    ids: dict

    def path(self, template, principal):
        me = self.clients[principal].id or self.clients["colleague"].id
        return template.format(**self.ids, me=me, colleague=self.clients["colleague"].id)


def set_scene(site):
    hashed = site.registry.passwords.hash(PASSWORD)
    site.clear()
    clients = {"anonymous": site.anonymous}
    with session_scope(site.registry) as db:

        def insert(table, **values):
            return db.write(sa.insert(table).values(values).returning(table.c.id)).scalar_one()

        for name in (*PRINCIPALS[1:], "colleague"):
            email, role = f"{name}@example.com", "admin" if name == "site_admin" else "member"
            user_id = insert(users, name=name, email=email, password_hash=hashed, role=role)
            clients[name] = Client(site.app, None, user_id, name, email)
        owner = clients["owner"].id
        start = datetime(2099, 1, 1, 10, tzinfo=UTC)
        window = "from=2099-01-01T00:00:00Z&to=2099-01-02T00:00:00Z"
        db.write(sa.insert(user_preferences).values(user_id=owner, chosen={"free_busy": "members"}))
        times = {"start_time": start, "end_time": start + timedelta(hours=1)}
        ids = {
            "file": next(iter(site.registry.static_files.by_name)),
            "booking": insert(bookings, user_id=owner, title="T", **times),
            "cancelled": insert(bookings, user_id=owner, title="T", status="cancelled", **times),
            "window": window,
            "of_owner": f"{window}&user_ids={owner}",
            "org": insert(organizations, name="O", owner_id=owner),
            "notification": insert(notifications, user_id=owner, type="T", title="T", message="T"),
            "message": insert(
                outbox, id=uuid4(), kind="T", consumer="t", payload={}, state=State.DEAD, due_at=start
            ),
        }
        members = {"owner": "admin", "member": "member", "org_admin": "admin", "colleague": "member"}
        for name, role in members.items():
            insert(organization_members, organization_id=ids["org"], user_id=clients[name].id, role=role)
    for name in (*PRINCIPALS[1:], "colleague"):
        clients[name].token = site.token(clients[name].id)
    return Scene(site, clients, ids)


def send(scene, method, template, principal, token):
    headers = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {token}"} if token else {})
    body = orjson.dumps(BODIES.get(f"{method} {template}", {})) if method in ("POST", "PATCH") else b""
    path = scene.path(template, principal)
    return scene.site.app.request(path, method=method, body=body, headers=headers, expect_errors=True)


def traversed(site, path, token=None):
    """Give a request as the router would make it, traversed to its context and view name."""
    request = Request.blank(path, headers={"Authorization": f"Bearer {token}"} if token else {})
    request.registry = site.registry
    request.db = Session(site.registry.engine, site.registry)
    root = site.registry.getUtility(IRootFactory)(request)
    for name, value in site.registry.queryAdapter(root, ITraverser)(request).items():
        setattr(request, name, value)
    return request


def granted(site, path, token):
    request = traversed(site, path, token)
    policy = site.registry.getUtility(ISecurityPolicy)
    assert request.view_name == ""
    try:
        return "".join(
            letter for letter, wanted in LETTERS.items() if policy.permits(request, request.context, wanted)
        )
    except Missing:
        return "404"
    finally:
        request.db.close()


def resource_classes(site, base=Resource):
    """Give the resource classes of core and of the enabled plugins, found by inheritance."""
    packages = {"scheduling", *(plugin.package for plugin in site.registry.plugins)}
    found = {cls for cls in base.__subclasses__() if cls.__module__.partition(".")[0] in packages}
    return found.union(*(resource_classes(site, cls) for cls in found)) - {Item}


def registered_views(site):
    """Give context class, name and method of every view but those of exceptions."""
    for entry in site.registry.introspector.get_category("views"):
        view = entry["introspectable"]
        context, methods = view["context"], view["request_methods"] or ("any",)
        if context is IExceptionResponse or (isinstance(context, type) and issubclass(context, Exception)):
            continue
        for method in (methods,) if isinstance(methods, str) else methods:
            if method != "HEAD":  # Pyramid adds it to every GET
                yield context, view["name"], method


def test_the_table_has_every_resource_class_at_its_path(site):
    scene = set_scene(site)
    tabled = set()
    for name, template, _ in rows(GRANTS, 2):
        context = traversed(site, scene.path(template, "owner")).context
        assert type(context).__name__ == name
        tabled.add(type(context))
    assert tabled == resource_classes(site) - {Item}


def test_the_table_has_a_letter_for_every_permission(site):
    assert set(LETTERS.values()) == set(Permission)
    written = {letter for *_, grants in rows(GRANTS, 2) for cell in grants.values() for letter in cell}
    assert written - set("-404") == set(LETTERS)


@pytest.mark.parametrize("principal", PRINCIPALS)
def test_each_permission_is_granted_as_the_table_says(site, principal):
    scene = set_scene(site)
    expected = {template: grants[principal].strip("-") for _, template, grants in rows(GRANTS, 2)}
    token = scene.clients[principal].token
    assert {path: granted(site, scene.path(path, principal), token) for path in expected} == expected


def test_nothing_is_asked_of_the_database_for_nobody(site):
    scene = set_scene(site)
    for _, template, _ in rows(GRANTS, 2):
        with site.queries() as queries:
            granted(site, scene.path(template, "anonymous"), None)
        assert queries.statements == []


def test_the_table_has_every_view(site):
    scene = set_scene(site)
    requests = [(method, traversed(site, scene.path(path, "owner"))) for method, path, _ in rows(VIEWS, 2)]
    tabled = {(type(request.context), request.view_name, method) for method, request in requests}
    assert tabled == set(registered_views(site))


def schemas_of(schema):
    """Give the class of a schema, and those of the schemas in it."""
    yield type(schema)
    for field in schema.fields.values():
        inner = field.inner if isinstance(field, fields.List) else field
        if isinstance(inner, fields.Nested):
            yield from schemas_of(inner.schema)


def test_every_view_and_every_schema_of_an_answer_has_been_compared_with_a_real_one(site):
    declared = [view.response for view in declarations(site.registry) if view.response is not None]
    site.answers.compared.clear()
    for method, template, statuses in rows(VIEWS, 2):
        assert any(status.startswith("2") for status in statuses.values())
        scene = set_scene(site)
        scene.clients["owner"].post("/analytics/event", {"eventType": "VIEWED"}, status=201)
        for principal in ("owner", "site_admin"):
            send(scene, method, template, principal, scene.clients[principal].token)
    schemas = {cls for each in declared for cls in schemas_of(each() if isinstance(each, type) else each)}
    assert schemas - site.answers.compared == set()


@pytest.mark.parametrize(("method", "template"), [row[:2] for row in rows(VIEWS, 2)])
def test_each_view_answers_each_principal_as_the_table_says(site, method, template):
    [expected] = [statuses for *view, statuses in rows(VIEWS, 2) if view == [method, template]]
    answered = {}
    for principal in PRINCIPALS:
        scene = set_scene(site)
        answer = send(scene, method, template, principal, scene.clients[principal].token)
        answered[principal] = str(answer.status_int)
    assert answered == expected


@pytest.mark.parametrize(
    ("method", "template"), [row[:2] for row in rows(VIEWS, 2) if row[2]["anonymous"] == "401"]
)
def test_a_forged_token_is_refused_before_any_row_is_loaded(site, method, template):
    scene = set_scene(site)
    with site.queries() as queries:
        answer = send(scene, method, template, "colleague", f"{scene.clients['site_admin'].token}x")
    assert queries.statements == []
    assert answer.status_int == 401
    assert answer.headers["WWW-Authenticate"].startswith("Bearer")
    assert answer.content_type == "application/problem+json"
