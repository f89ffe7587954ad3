"""A role of PostgreSQL that may have few connections: requests wait for one that the process has."""

from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest

from scheduling.testing.processes import wait_for
from tests.server.serverkit.installation import ServedInstallation

LIMIT, CLIENTS = 3, 24


@pytest.fixture
def site(tmp_path, postgres, server):
    name = f"limit_{server}"
    (tmp_path / "tmp").mkdir()
    url = postgres.create_database(name)
    site = ServedInstallation(
        tmp_path, tmp_path / "none.db", {"TMPDIR": str(tmp_path / "tmp"), "DATABASE_URL": url}
    )
    site.upgrade()
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(f"CREATE ROLE {name} LOGIN CONNECTION LIMIT {LIMIT}")
        connection.execute(f"GRANT ALL ON ALL TABLES IN SCHEMA public TO {name}")
        connection.execute(f"GRANT ALL ON ALL SEQUENCES IN SCHEMA public TO {name}")
    site.environ["DATABASE_URL"] = url.replace("postgres@", f"{name}@")
    site.serve("--server", server, "--processes", "1", "--threads", "8")
    site.web.start().wait_until_ready()
    with site:
        yield site
    postgres.drop_database(name)
    with psycopg.connect(postgres.url, autocommit=True) as connection:
        connection.execute(f"DROP ROLE {name}")


def test_more_requests_than_connections_are_all_answered_and_the_limit_is_told(site):
    token = site.register()

    def read(_):
        return [site.call("GET", "/users/me", token=token).status for _ in range(10)]

    with ThreadPoolExecutor(CLIENTS) as clients:
        answers = list(clients.map(read, range(CLIENTS)))
    assert {status for statuses in answers for status in statuses} == {200}
    assert site.web.is_ready()
    wait_for(lambda: site.web.metric("scheduling_database_refused_connections_total") > 0)
    assert "The database refuses more connections" in site.web.output
