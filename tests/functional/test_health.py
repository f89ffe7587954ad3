from datetime import UTC, datetime

from scheduling.testing import Site
from scheduling.times import parse_timestamp

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
