"""A plugin whose rows have versions, as docs/plugins.md tells to do it."""

import pytest

from scheduling.testing import Site

FILES = {
    "models.py": """
import sqlalchemy as sa
from scheduling.plugin import metadata, version_column

storms = sa.Table(
    "acme_storms",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("wind", sa.Integer, nullable=False),
    version_column(),
)
""",
    "migrations/versions/0001_acme.py": """
import sqlalchemy as sa
from alembic import op
from scheduling.plugin import add_version, drop_version
revision = "acme_0001"
down_revision = None
def upgrade():
    op.create_table(
        "acme_storms",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("wind", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_acme_storms"),
    )
    add_version("acme_storms")
def downgrade():
    drop_version("acme_storms")
    op.drop_table("acme_storms")
""",
    "views.py": """
import sqlalchemy as sa
from marshmallow import fields
from pyramid.authorization import Allow, Authenticated
from pyramid.view import view_config
from scheduling.plugin import (
    AnswerSchema, Done, Item, Missing, PatchSchema, Resource, Version, set_etag, write_if_match)
from acme.models import storms

class Storm(Item):
    def rules(self):
        return [(Allow, Authenticated, "edit")]

class Storms(Resource):
    item = Storm
    def __acl__(self):
        return [(Allow, Authenticated, "edit")]

class StormPatch(PatchSchema):
    wind = fields.Integer()

class StormAnswer(AnswerSchema):
    id = fields.Integer()
    wind = fields.Integer()
    version = Version()

def view(method, **options):
    options = {"context": Storm, "response": StormAnswer} | options
    return view_config(request_method=method, permission="edit", **options)

@view("POST", context=Storms, schema=StormPatch, status=201, location="/api/v1/storms/{id}", etag=True)
def create(context, request):
    row = request.db.row(sa.insert(storms).values(request.validated).returning(*storms.c))
    set_etag(request, row)
    return row._asdict()

@view("GET", etag=True)
def show(context, request):
    return request.db.row(sa.select(storms).where(storms.c.id == context.id))

@view("PATCH", schema=StormPatch, if_match=True)
def update(context, request):
    update = sa.update(storms).where(storms.c.id == context.id).values(request.validated)
    row = write_if_match(request.db, update.returning(*storms.c), request.expected_versions)
    if row is None:
        raise Missing("Storm not found")
    set_etag(request, row)
    return row

@view("DELETE", if_match=True, response=Done)
def delete(context, request):
    delete = sa.delete(storms).where(storms.c.id == context.id).returning(storms.c.id)
    if write_if_match(request.db, delete, request.expected_versions, storms.c.wind < 100) is None:
        raise Missing("Storm not found, or too strong")
    return {"message": "Storm deleted"}

@view("PATCH", name="forgetful", schema=StormPatch, if_match=True)
def forgetful(context, request):
    update = sa.update(storms).where(storms.c.id == context.id).values(request.validated)
    return request.db.row(update.returning(*storms.c))
""",
}
INCLUDEME = """
from acme.views import Storms
config.add_api_resource("storms", Storms)
config.scan("acme.views")
"""


@pytest.fixture
def alice(install_plugin, empty_database_url):
    """A user of a site with the plugin, in which there is a storm."""
    install_plugin("acme", manifest="migrations=True", includeme=INCLUDEME, files=FILES)
    site = Site(empty_database_url, ["acme"])
    alice = site.user("Alice")
    alice.made = alice.post("/storms", {"wind": 12}, status=201)
    yield alice
    site.close()


def with_tag(tag):
    return {"headers": {"If-Match": tag}}


def test_a_change_with_an_old_tag_is_refused(alice):
    etag = alice.made.headers["ETag"]
    assert etag == alice.get("/storms/1").headers["ETag"]
    changed = alice.patch("/storms/1", {"wind": 13}, status=200, **with_tag(etag))
    assert changed.json == {"id": 1, "wind": 13, "version": 2}
    assert alice.patch("/storms/1", {"wind": 14}, status=412, **with_tag(etag)).json["code"] == "stale"
    assert alice.get("/storms/1").json["wind"] == 13
    alice.delete("/storms/1", status=412, **with_tag(etag))
    alice.delete("/storms/1", status=200, **with_tag(changed.headers["ETag"]))
    alice.delete("/storms/1", status=404, **with_tag(etag))
    alice.patch("/storms/1", {"wind": 14}, status=404, **with_tag(etag))


def test_where_a_further_condition_does_not_hold_the_view_says_why(alice):
    alice.patch("/storms/1", {"wind": 100}, status=200)
    alice.delete("/storms/1", status=404, **with_tag('"2"'))
    alice.delete("/storms/1", status=404)
    # Another version goes before: whoever has seen that may not know of the wind.
    alice.delete("/storms/1", status=412, **with_tag('"1"'))


def test_the_kit_finds_a_view_that_does_not_look_at_the_versions(alice):
    alice.patch("/storms/1/forgetful", {"wind": 15}, status=200, **with_tag('"1"'))
    with pytest.raises(AssertionError, match="If-Match names no version, and the answer is not 412"):
        alice.patch("/storms/1/forgetful", {"wind": 15}, **with_tag('"none"'))


def test_the_document_tells_of_it(alice):
    document = alice.get("/openapi.json").json["paths"]
    for method in ("patch", "delete"):
        told = document["/api/v1/storms/{storm_id}"][method]
        assert {p["name"] for p in told["parameters"]} == {"storm_id", "If-Match", "Idempotency-Key"}
        assert {"400", "412", "428"} <= set(told["responses"])
    assert "ETag" in document["/api/v1/storms"]["post"]["responses"]["201"]["headers"]
