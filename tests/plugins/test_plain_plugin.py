"""A plugin that knows nothing but plain SQLAlchemy: sa.Table, sa.select, rows as they come."""

import pytest

from scheduling.testing import Site

FILES = {
    "models.py": """
import sqlalchemy as sa
from scheduling.plugin import metadata

things = sa.Table(
    "acme_things",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("key", sa.Uuid, nullable=False),
    sa.Column("starts_at", sa.DateTime(timezone=True), nullable=False),
    sa.Column("day", sa.Date, nullable=False),
    sa.Column("opens", sa.Time, nullable=False),
    sa.Column("price", sa.Numeric(10, 2), nullable=False),
    sa.Column("rank", sa.Integer, nullable=False),
    sa.Column("note", sa.Text),
)
""",
    "migrations/versions/0001_acme.py": """
import sqlalchemy as sa
from alembic import op
revision = "acme_0001"
down_revision = None
def upgrade():
    op.create_table(
        "acme_things",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("key", sa.Uuid(), nullable=False),
        sa.Column("starts_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("opens", sa.Time(), nullable=False),
        sa.Column("price", sa.Numeric(10, 2), nullable=False),
        sa.Column("rank", sa.Integer(), nullable=False),
        sa.Column("note", sa.Text()),
        sa.PrimaryKeyConstraint("id", name="pk_acme_things"),
    )
def downgrade():
    op.drop_table("acme_things")
""",
    "views.py": """
import uuid
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal

import sqlalchemy as sa
from pyramid.authorization import Allow, Authenticated
from pyramid.view import view_config
from scheduling.plugin import Keyset, PageQuery, Resource, paginate
from acme.models import things

class Things(Resource):
    def __acl__(self):
        return [(Allow, Authenticated, "view")]

def view(name, **options):
    return view_config(context=Things, name=name, permission="view", **options)

@view("", request_method="POST", status=201)
def create(context, request):
    number = request.db.scalar(sa.select(sa.func.count()).select_from(things))
    insert = sa.insert(things).values(
        key=uuid.UUID(int=number),
        starts_at=datetime(2027, 4, 1, 9, 0, 0, 123456, tzinfo=UTC) + timedelta(hours=number // 2),
        day=date(2027, 4, 1) + timedelta(days=number // 2),
        opens=time(9, 30),
        price=Decimal("19.90") + number // 2,
        rank=number // 2 - 1,
    )
    return request.db.write(insert.returning(*things.c)).one()

@view("rows", request_method="GET")
def rows(context, request):
    return {"rows": request.db.rows(sa.select(things).order_by(things.c.id))}

@view("mappings", request_method="GET")
def mappings(context, request):
    return request.db.connection.execute(sa.select(things).order_by(things.c.id)).mappings().all()

@view("text", request_method="GET", etag=True)
def text(context, request):
    return request.db.row(sa.text("SELECT id, note FROM acme_things ORDER BY id"))

@view("nothing", request_method="GET")
def nothing(context, request):
    return request.db.row(sa.select(things).where(things.c.id == 0))

def page_by(*names):
    keyset = Keyset((*(things.c[name] for name in names), things.c.id), (True,) * len(names) + (False,))
    return lambda context, request: paginate(request, sa.select(things), keyset)

def includeme(config):
    for names in (("starts_at",), ("day",), ("price",), ("rank",), ("key",), ("day", "starts_at")):
        config.add_view(page_by(*names), context=Things, name="by-" + "-".join(names), permission="view",
                        request_method="GET", query=PageQuery)
""",
}
INCLUDEME = """
from acme.views import Things
config.add_api_resource("things", Things)
config.include("acme.views")
config.scan("acme.views")
"""
FIRST = {
    "id": 1,
    "key": "00000000-0000-0000-0000-000000000000",
    "starts_at": "2027-04-01T09:00:00.123Z",
    "day": "2027-04-01",
    "opens": "09:30:00",
    "price": 19.9,
    "rank": -1,
    "note": None,
}


@pytest.fixture
def alice(install_plugin, empty_database_url):
    """A user of a site with the plugin, in which there are five things."""
    install_plugin("acme", manifest="migrations=True", includeme=INCLUDEME, files=FILES)
    site = Site(empty_database_url, ["acme"])
    alice = site.user("Alice")
    for _ in range(5):
        alice.post("/things", status=201)
    yield alice
    site.close()


def test_a_row_that_was_inserted_is_answered_as_json(alice):
    assert alice.post("/things", status=201).json == FIRST | {
        "id": 6,
        "key": "00000000-0000-0000-0000-000000000005",
        "starts_at": "2027-04-01T11:00:00.123Z",
        "day": "2027-04-03",
        "price": 21.9,
        "rank": 1,
    }


def test_rows_and_mappings_are_objects(alice):
    rows = alice.get("/things/rows").json["rows"]
    assert rows[0] == FIRST
    assert alice.get("/things/mappings").json == rows


def test_decimal_numbers_keep_their_digits(alice):
    assert '"price":19.90' in alice.get("/things/rows").text


def test_a_row_of_sql_as_text_has_an_etag(alice):
    answer = alice.get("/things/text")
    assert answer.json == {"id": 1, "note": None}
    alice.get("/things/text", headers={"If-None-Match": answer.headers["ETag"]}, status=304)


def test_no_row_is_null(alice):
    assert alice.get("/things/nothing").json is None


@pytest.mark.parametrize("order", ["starts_at", "day", "price", "rank", "key", "day-starts_at"])
def test_pages_of_a_plain_table_put_together_are_the_whole_list(alice, order):
    whole = alice.get(f"/things/by-{order}").json
    pages, path = [], f"/things/by-{order}?limit=2"
    while path:
        answer = alice.get(path)
        pages += answer.json
        link = answer.headers.get("Link")
        path = link and link.removeprefix("</api/v1").partition(">")[0]
    assert pages == whole
    assert sorted(thing["id"] for thing in pages) == [1, 2, 3, 4, 5]
