import pytest
import sqlalchemy as sa
from webob import Request

from bench import growth, stack
from bench.scenarios import Site
from scheduling import testing
from scheduling.accounts.models import users
from scheduling.db.session import session_scope


class InProcess(Site):
    """The seeded site without a server; tokens are issued rather than asked for."""

    def __init__(self, site, database_url):
        super().__init__(None, database_url)
        self._site = site

    def token(self, user):
        return self._site.token(user)


@pytest.fixture(scope="module")
def url(postgres):
    url = postgres.create_database("bench_growth")
    yield url
    postgres.drop_database("bench_growth")


@pytest.fixture(scope="module")
def site(url, enabled_plugins):
    site = testing.Site(url, enabled_plugins)
    stack.run_file(url, "users.sql")
    with session_scope(site.registry) as db:
        db.write(sa.update(users).where(users.c.id.in_(growth.ADMIN)).values(role="admin"))
    yield site
    site.close()


@pytest.mark.parametrize("grown", growth.GROWTHS, ids=lambda grown: grown.name)
def test_a_table_is_filled_and_its_calls_are_answered(site, url, grown):
    growth.empty(url, grown)
    for first, last in ((1, 500), (501, 1000)):
        growth.fill(url, grown, first, last)
    [(rows,)] = InProcess(site, url).sql(f"SELECT count(*) FROM {grown.table}")  # noqa: S608
    assert rows == 1000
    for call in grown.calls:
        for request in call.requests(InProcess(site, url)):
            response = Request.from_bytes(request).get_response(site.wsgi_app)
            assert response.status_int == call.status, (call.name, response.text)
            if request.startswith(b"GET"):
                assert response.json, call.name
