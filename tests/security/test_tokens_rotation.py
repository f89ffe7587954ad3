import pytest

from scheduling.testing import Site

OLD, NEW = "the-old-secret-of-more-than-32-bytes", "the-new-secret-of-more-than-32-bytes"
STEPS = [(OLD, ""), (OLD, NEW), (NEW, OLD), (NEW, "")]


@pytest.fixture
def site_with(empty_database_url):
    """A function that starts a process, on the one database, with a secret and its fallbacks."""
    sites = []

    def site_with(secret, fallbacks):
        settings = {"scheduling.jwt_secret": secret, "scheduling.jwt_secret_fallbacks": fallbacks}
        sites.append(Site(empty_database_url, [], settings))
        return sites[-1]

    yield site_with
    for site in sites:
        site.close()


@pytest.mark.parametrize("step", range(len(STEPS) - 1))
def test_processes_of_two_steps_side_by_side_take_each_others_tokens(site_with, step):
    # Before the last step as many days pass as a token lives.
    before, after = (site_with(*STEPS[step + i]) for i in range(2))
    for name, issuer, verifier in (("Alice", before, after), ("Bob", after, before)):
        client = issuer.user(name)
        client.app = verifier.app
        client.get("/users/me", status=200)
