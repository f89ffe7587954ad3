from base64 import urlsafe_b64encode
from datetime import UTC, datetime, timedelta

import orjson
import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st

from scheduling.db.metadata import MAX_ID, BigId, Timestamp
from scheduling.exceptions import Invalid
from scheduling.web.pagination import Keyset

things = sa.Table(
    "things",
    sa.MetaData(),
    sa.Column("id", BigId, primary_key=True),
    sa.Column("is_read", sa.Boolean, nullable=False),
    sa.Column("created_at", Timestamp, nullable=False),
)
COLUMNS = (things.c.is_read, things.c.created_at, things.c.id)
KEYSETS = [Keyset(COLUMNS, (a, b, c)) for a in (False, True) for b in (False, True) for c in (False, True)]
KEYSET = KEYSETS[0]
ENGINE = sa.create_engine("sqlite://", poolclass=sa.StaticPool)

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)
# Few moments, so that rows tie; microseconds, since a cursor must be exact.
FEW_MOMENTS = st.integers(0, 3).map(lambda n: datetime(2027, 4, 1, tzinfo=UTC) + timedelta(microseconds=n))
ROWS = st.lists(st.tuples(st.booleans(), FEW_MOMENTS), max_size=12)
VALUES = st.tuples(
    st.booleans(), st.datetimes(timezones=st.just(UTC)), st.integers(1, MAX_ID)
)  # one row's is_read, created_at and id


@pytest.fixture(scope="module", autouse=True)
def table():
    things.create(ENGINE)
    yield
    ENGINE.dispose()


def stored(*rows):
    with ENGINE.begin() as connection:
        connection.execute(sa.delete(things))
        names = [column.name for column in COLUMNS]
        for row in rows:
            connection.execute(sa.insert(things).values(dict(zip(names, row, strict=True))))


def selected(statement):
    with ENGINE.connect() as connection:
        return connection.execute(statement).all()


def cursor_of(values, keyset=KEYSET):
    stored(values)
    [row] = selected(sa.select(things))
    return keyset.cursor(key(keyset, row))


def key(keyset, row):
    return [getattr(row, column.name) for column in keyset.columns]


def encoded(value):
    return urlsafe_b64encode(orjson.dumps(value)).rstrip(b"=").decode()


def read(cursor):
    """Give the values of a cursor, which a query accepts, or None where it is refused."""
    try:
        values = KEYSET.parameters(cursor)
    except Invalid:
        return None
    selected(sa.select(things).where(KEYSET.after()).params(values))
    return list(values.values())


@given(VALUES)
def test_a_cursor_gives_its_values_back(values):
    assert list(KEYSET.parameters(cursor_of(values)).values()) == list(values)


@given(VALUES)
def test_a_cursor_needs_no_quoting_in_a_query_string(values):
    cursor = cursor_of(values)
    assert cursor.replace("-", "").replace("_", "").isalnum()
    assert cursor.isascii()


@given(ROWS, st.sampled_from(KEYSETS), st.integers(1, 4))
def test_pages_put_together_are_the_whole_list(rows, keyset, size):
    stored(*((*row, i) for i, row in enumerate(rows, 1)))
    statement = sa.select(things).order_by(*keyset.order_by())
    page, pages = selected(statement.limit(size)), []
    while page and len(pages) <= len(rows):
        pages += page
        values = keyset.parameters(keyset.cursor(key(keyset, page[-1])))
        page = selected(statement.where(keyset.after()).params(values).limit(size))
    assert pages == selected(statement)
    assert len(pages) == len(rows)


@given(st.text())
def test_any_text_as_a_cursor_is_refused(text):
    assert read(text) is None


@given(VALUES, st.integers(0, 200), st.text(max_size=3), st.integers(0, 3))
def test_a_cursor_that_was_tampered_with_is_refused_or_gives_values_of_the_right_types(values, at, put, cut):
    cursor = cursor_of(values)
    forged = read(cursor[:at] + put + cursor[at + cut :])
    assert forged is None or [type(value) for value in forged] == [bool, datetime, int]


@given(JSON)
def test_a_cursor_made_of_any_json_is_refused(value):
    assert read(encoded(value)) is None


@given(st.lists(JSON, max_size=4))
def test_a_cursor_of_any_values_under_the_lists_name_is_refused_or_gives_the_right_types(values):
    name = "things.is_read.things.created_at.things.id"
    forged = read(encoded([name, *values]))
    assert forged is None or [type(value) for value in forged] == [bool, datetime, int]


LETTERS = sa.Table(
    "letters",
    things.metadata,
    sa.Column("id", sa.Uuid, primary_key=True),
    sa.Column("created_at", Timestamp, nullable=False),
)
NEWEST_LETTERS = Keyset((LETTERS.c.created_at, LETTERS.c.id), (True, True))


@given(st.lists(st.tuples(FEW_MOMENTS, st.uuids()), min_size=1, max_size=8, unique_by=lambda row: row[1]))
def test_pages_of_a_list_with_uuids_put_together_are_the_whole_list(rows):
    LETTERS.create(ENGINE, checkfirst=True)
    with ENGINE.begin() as connection:
        connection.execute(sa.delete(LETTERS))
        connection.execute(sa.insert(LETTERS), [{"created_at": moment, "id": i} for moment, i in rows])
    statement = sa.select(LETTERS).order_by(*NEWEST_LETTERS.order_by())
    page, pages = selected(statement.limit(2)), []
    while page and len(pages) <= len(rows):
        pages += page
        values = NEWEST_LETTERS.parameters(NEWEST_LETTERS.cursor(key(NEWEST_LETTERS, page[-1])))
        page = selected(statement.where(NEWEST_LETTERS.after()).params(values).limit(2))
    assert [(row.created_at, row.id) for row in pages] == sorted(rows, reverse=True)


@given(JSON | st.text("0123456789abcdef-{}", min_size=30, max_size=40))
def test_a_cursor_whose_uuid_is_none_is_refused(value):
    forged = encoded(["letters.created_at.letters.id", "2027-04-01T12:00:00+00:00", value])
    with pytest.raises(Invalid, match="cursor"):
        NEWEST_LETTERS.parameters(forged)


NOON = "2027-04-01T12:00:00+00:00"


@pytest.mark.parametrize(
    "values",
    [
        [True, NOON],
        [True, NOON, 7, 7],
        [1, NOON, 7],
        ["true", NOON, 7],
        [None, NOON, 7],
        [True, "2027-04-01T12:00:00", 7],
        [True, "2027-04-01", 7],
        [True, "now", 7],
        [True, 1806580800, 7],
        [True, None, 7],
        [True, "0001-01-01T00:00:00+14:00", 7],
        [True, "9999-12-31T23:59:59-14:00", 7],
        [True, NOON, 0],
        [True, NOON, -1],
        [True, NOON, True],
        [True, NOON, 7.0],
        [True, NOON, "7"],
        [True, NOON, MAX_ID + 1],
    ],
)
def test_values_that_no_row_could_have_are_refused(values):
    name = "things.is_read.things.created_at.things.id"
    assert read(encoded([name, True, NOON, 7])) is not None
    assert read(encoded([name, *values])) is None


def test_the_cursor_of_another_list_is_refused():
    others = things.alias("others")
    other_list = Keyset(tuple(others.c[column.name] for column in COLUMNS), KEYSET.descending)
    values = (True, datetime(2027, 4, 1, tzinfo=UTC), 7)
    cursor = cursor_of(values)
    assert list(KEYSET.parameters(cursor).values()) == list(values)
    with pytest.raises(Invalid, match="cursor"):
        other_list.parameters(cursor)
