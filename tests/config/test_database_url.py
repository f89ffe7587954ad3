import pytest

from scheduling.config.database_url import DatabaseUrl, place, with_database_url
from scheduling.config.settings import CoreSchema
from scheduling.config.sources import Configuration

SECRET = {"scheduling.jwt_secret": "a secret of the tests with more than 32 bytes"}


def read(ini=None, **environ):
    """Return the URL of the settings and the mistakes that are told of it."""
    configuration = Configuration(SECRET | (ini or {}), environ)
    return configuration.section("scheduling", CoreSchema()).get("database_url"), configuration.mistakes


def url(**environ):
    found, mistakes = read(**environ)
    assert mistakes == []
    return found


def mistake(**environ):
    _, [told] = read(**environ)
    assert told.startswith("scheduling.database_url (DATABASE_URL) ")
    return told


def parameters(found):
    """Return what libpq is given, as text."""
    given = found.get_dialect()().create_connect_args(found)[1]
    return {name: str(value) for name, value in given.items() if name != "context"}


def test_several_hosts_reach_libpq_as_it_writes_them():
    found = url(DATABASE_URL="postgresql://me:p%40w@one:5432,two:5433/name?target_session_attrs=read-write")
    assert parameters(found) == {
        "host": "one,two",
        "port": "5432,5433",
        "user": "me",
        "password": "p@w",
        "dbname": "name",
        "target_session_attrs": "read-write",
    }
    assert place(found) == "postgresql one,two/name"
    assert url(DATABASE_URL=found.render_as_string(hide_password=False)) == found


@pytest.mark.parametrize(
    ("text", "given"),
    [
        ("postgresql://one,two/name", {"host": "one,two", "port": ",", "dbname": "name"}),
        ("postgresql:///name?host=/run/postgresql", {"host": "/run/postgresql", "dbname": "name"}),
        ("postgresql://[::1]:6/name", {"host": "::1", "port": "6", "dbname": "name"}),
        ("postgres://db/na%2Fme?sslmode=require", {"host": "db", "dbname": "na/me", "sslmode": "require"}),
    ],
)
def test_every_kind_of_libpqs_urls_is_read(text, given):
    assert parameters(url(DATABASE_URL=text)) == given


def test_hosts_in_the_spelling_of_another_library_are_refused():
    assert "several hosts" in mistake(DATABASE_URL="postgresql:///name?host=one:1&host=two:2")


@pytest.mark.parametrize(
    "text",
    [
        "postgresql://me:p@w@db/name",
        "postgresql://me:p/w@db/name",
        "postgresql://me:1/w@db/name",
        "postgresql://me:p%w@db/name",
        "postgresql://me:1?w/x@db/name",
        "postgresql://me:pw@db:port/name",
        "postgresql://db/name?nosuch=1",
        "postgresql://[db/name",
    ],
)
def test_what_cannot_be_read_is_refused_without_a_part_of_it(text):
    told = mistake(DATABASE_URL=text)
    assert "cannot be read" in told
    assert not {"p@w", "p/w", "me", "nosuch", "db", "port"} & set(told.replace(":", " ").split())
    # PGHOST and the like make nothing good of it.
    assert mistake(DATABASE_URL=text, PGHOST="db", PGDATABASE="name") == told


@pytest.mark.parametrize("text", ["postgresql://me:pw@db", "postgresql://db/", "postgresql://"])
def test_a_database_has_to_be_named(text):
    assert "names no database" in mistake(DATABASE_URL=text)
    assert parameters(url(DATABASE_URL=text, PGDATABASE="name"))["dbname"] == "name"


PARTS = {
    "PGHOST": "db.example.com",
    "PGPORT": "6432",
    "PGDATABASE": "name",
    "PGUSER": "me",
    "PGPASSWORD": "p@/:w?#%",
}
GIVEN = {
    "host": "db.example.com",
    "port": "6432",
    "dbname": "name",
    "user": "me",
    "password": "p@/:w?#%",
}


@pytest.mark.parametrize("text", ["", "postgresql://", "postgres://"])
def test_a_database_is_named_in_parts(text):
    assert parameters(url(DATABASE_URL=text, **PARTS)) == GIVEN


def test_a_url_wins_over_the_parts_as_with_libpq():
    text = "postgresql://you@other/name2?sslmode=require"
    expected = GIVEN | {"host": "other", "dbname": "name2", "user": "you", "sslmode": "require"}
    assert parameters(url(DATABASE_URL=text, **PARTS)) == expected


def test_the_url_of_the_ini_file_wins_over_the_parts_too():
    ini = {"scheduling.database_url": "sqlite:///var/test.db"}
    assert read(ini, **PARTS)[0].drivername == "sqlite"
    assert parameters(read({"scheduling.database_url": "postgresql://"}, **PARTS)[0]) == GIVEN


def test_a_user_alone_names_no_database():
    assert "is required" in mistake(PGUSER="me", PGPASSWORD="pw")
    assert with_database_url({}, {"PGUSER": "me"}) == {"PGUSER": "me"}


@pytest.mark.parametrize("variable", ["PGHOST", "PGDATABASE", "PGUSER"])
def test_a_line_end_in_a_part_is_told_with_its_variable(variable):
    assert f"line end or another control character in its {variable.removeprefix('PG').lower()}" in (
        mistake(**PARTS | {variable: "x\n"}).replace("dbname", "database")
    )
    assert f"({variable})" in mistake(**PARTS | {variable: "x\n"})


def test_the_line_end_of_the_password_is_no_part_of_it():
    assert parameters(url(**PARTS | {"PGPASSWORD": "p@/:w?#%\n"})) == GIVEN


@pytest.mark.parametrize(
    ("query", "named"),
    [
        ("client_encoding=latin1", "client_encoding"),
        ("connect_timeout=0", "connect_timeout"),
        ("connect_timeout=-1", "connect_timeout"),
        ("connect_timeout=soon", "connect_timeout"),
        ("options=-c%20timezone%3DEurope/Berlin", "TimeZone"),
        ("options=-cDateStyle%3DGerman", "DateStyle"),
        ("options=-csearch_path%3Da%20--intervalstyle%3Diso_8601", "IntervalStyle"),
        ("options=--standard-conforming-strings%3Doff", "standard_conforming_strings"),
    ],
)
def test_what_the_code_relies_on_cannot_be_set_otherwise(query, named):
    assert named in mistake(DATABASE_URL=f"postgresql://db/name?{query}")


@pytest.mark.parametrize(
    "query",
    [
        "client_encoding=UTF-8",
        "options=-c%20timezone%3DUTC",
        "options=-cdatestyle%3DISO%2C%5C%20MDY",
        "options=-csearch_path%3Dtenant%20-cstatement_timeout%3D5s",
        "application_name=agenda&connect_timeout=3&keepalives_idle=7",
    ],
)
def test_what_else_an_operator_writes_is_kept(query):
    found = url(DATABASE_URL=f"postgresql://db/name?{query}")
    assert set(found.query) == {part.partition("=")[0] for part in query.split("&")}


def test_a_field_alone_reads_no_variables(monkeypatch):
    monkeypatch.setenv("PGHOST", "elsewhere")
    assert DatabaseUrl().deserialize("postgresql://db/name").host == "db"
