import pytest
from webob import Request

from bench import growth, stack
from bench.scenarios import Site
from scheduling import testing


class InProcess(Site):
    """The seeded site without a server; tokens are issued rather than asked for."""

    def __init__(self, site, database_url):
        super().__init__(None, database_url)
        self._site = site

    def token(self, user):
        role = "admin" if user in growth.ADMIN else "member"
        return self._site.registry.tokens.issue(user, f"user{user}@bench.test", role)


@pytest.fixture(scope="module")
def url(postgres):
    url = postgres.create_database("bench_growth")
    yield url
    postgres.drop_database("bench_growth")


@pytest.fixture(scope="module")
def site(url, enabled_plugins):
    site = testing.Site(url, enabled_plugins)
    stack.run_file(url, "users.sql")
    yield site
    site.close()


@pytest.mark.parametrize("grown", growth.GROWTHS, ids=lambda grown: grown.table)
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
