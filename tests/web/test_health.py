import threading
import uuid
from datetime import UTC, datetime
from time import monotonic

import psycopg
import pytest
import sqlalchemy as sa

from scheduling.testing import Site
from scheduling.times import parse_timestamp
from scheduling.web.readiness import Readiness

PRODUCTION = {
    "scheduling.app_env": "production",
    "scheduling.jwt_secret": "a secret of one's own that has far more than 32 bytes",
}


def test_health_tells_that_the_process_answers(site):
    before = datetime.now(UTC).replace(microsecond=0)
    health = site.app.get("/health", status=200).json
    assert health.keys() == {"status", "uptime", "timestamp", "environment"}
    assert (health["status"], health["environment"]) == ("OK", "development")
    assert before <= parse_timestamp(health["timestamp"]) <= datetime.now(UTC)
    assert health["timestamp"].endswith("Z")


def test_the_uptime_is_a_number_of_seconds_that_grows(site):
    first, second = (site.app.get("/health").json["uptime"] for _ in range(2))
    assert 0 < first <= second


def test_health_needs_no_token_and_asks_nothing_of_the_database(site):
    with site.queries() as queries:
        site.app.get("/health", status=200)
        site.app.head("/health", status=200)
        site.app.get("/health", headers={"Authorization": "Bearer nonsense"}, status=200)
    assert len(queries) == 0


def test_health_is_outside_the_versioned_api(site):
    site.anonymous.get("/health", status=404)


def test_health_names_the_environment(tmp_path):
    site = Site(f"sqlite:///{tmp_path}/test.db", [], PRODUCTION)
    assert site.app.get("/health").json["environment"] == "production"
    site.close()


@pytest.fixture
def own_site(tmp_path):
    site = Site(f"sqlite:///{tmp_path}/test.db", [])
    yield site
    site.close()


def test_a_process_that_has_booted_is_alive_ready_and_started(site):
    for probe in ("live", "ready", "startup"):
        assert site.app.get(f"/health/{probe}", status=200).json == {"status": "OK"}
        site.app.head(f"/health/{probe}", status=200)
    site.app.get("/health/other", status=404)
    site.app.get("/health/ready/now", status=404)


def test_only_ready_asks_the_database_and_that_once_a_second(site, monkeypatch):
    site.registry.readiness = Readiness(site.registry)
    with site.queries() as queries:
        for probe in ("live", "startup"):
            site.app.get(f"/health/{probe}", status=200)
        assert len(queries) == 0
        site.app.get("/health/ready", status=200)
        asked = len(queries)
        assert asked > 0
        monkeypatch.setattr(f"{Readiness.__module__}.CACHE_SECONDS", 1000)
        site.app.get("/health/ready", status=200)
        assert len(queries) == asked
        monkeypatch.setattr(f"{Readiness.__module__}.CACHE_SECONDS", 0)
        site.app.get("/health/ready", status=200)
        assert len(queries) == 2 * asked


def test_without_a_database_it_is_alive_but_not_ready_and_says_why(postgres):
    site = Site(postgres.create_database("readiness"), [])
    postgres.drop_database("readiness")
    answer = site.app.get("/health/ready", status=503)
    assert answer.content_type == "application/problem+json"
    assert answer.json["error"] == "The database does not answer."
    assert answer.headers["Retry-After"]
    site.app.get("/health/live", status=200)
    site.app.get("/health/startup", status=200)
    site.close()


def test_a_database_that_lacks_migrations_is_not_ready_and_one_that_is_ahead_is(own_site, monkeypatch):
    monkeypatch.setattr(f"{Readiness.__module__}.CACHE_SECONDS", 0)
    set_version = sa.text("UPDATE alembic_version SET version_num = :revision")
    with own_site.registry.engine.connect() as connection:
        connection.execute(set_version, {"revision": "ffff_of_a_newer_release"})
    own_site.app.get("/health/ready", status=200)
    with own_site.registry.engine.connect() as connection:
        connection.execute(sa.text("DELETE FROM alembic_version"))
    answer = own_site.app.get("/health/ready", status=503)
    assert answer.json["error"] == "The database lacks migrations of: core."


def test_a_process_that_is_ending_is_not_ready_and_still_serves(own_site):
    own_site.registry.readiness.drain()
    assert own_site.app.get("/health/ready", status=503).json["error"] == "This process is ending."
    own_site.app.get("/health/live", status=200)
    own_site.user()


@pytest.fixture
def hanging_database(monkeypatch):
    """Have the database not answer the probes, from when it is called until the test ends."""
    go_on = threading.Event()

    def hang(*_):
        assert go_on.wait(60)
        return []

    yield lambda: monkeypatch.setattr("scheduling.db.migrations.behind", hang)
    go_on.set()


def test_a_probe_does_not_wait_for_a_database_that_hangs(own_site, monkeypatch, hanging_database):
    monkeypatch.setattr(f"{Readiness.__module__}.CACHE_SECONDS", 0)
    own_site.app.get("/health/ready", status=200)
    hanging_database()
    began = monotonic()
    own_site.app.get("/health/ready", status=200)
    monkeypatch.setattr(f"{Readiness.__module__}.SLOW_SECONDS", 0)
    answer = own_site.app.get("/health/ready", status=503)
    assert answer.json["error"] == "The database does not answer in time."
    assert monotonic() - began < 2 * 2


def test_a_database_that_never_answered_is_not_ready(own_site, hanging_database):
    hanging_database()
    answer = own_site.app.get("/health/ready", status=503)
    assert answer.json["error"] == "The database does not answer in time."


def test_a_database_that_takes_no_more_connections_is_not_ready_and_says_so(postgres):
    name = f"few_{uuid.uuid4().hex}"
    url = postgres.create_database(name)
    with psycopg.connect(url, autocommit=True) as server:
        server.execute("CREATE ROLE few LOGIN")
        server.execute("GRANT ALL ON SCHEMA public TO few")
        site = Site(url.replace("postgres@", "few@"), [])
        site.app.get("/health/ready", status=200)
        site.registry.engine.dispose()
        site.registry.readiness = Readiness(site.registry)
        server.execute("ALTER ROLE few CONNECTION LIMIT 0")
        answer = site.app.get("/health/ready", status=503)
    assert answer.json["error"] == "The database refuses more connections."
    site.close()
