"""Sites with rate limits, which the other tests switch off."""

from pathlib import Path

import pytest

from scheduling.testing import Site
from scheduling.testing.processes import Installation

PRODUCTION = Path(__file__).parents[2] / "production.ini"
NO_BROKER = "redis://127.0.0.1:1/0"


@pytest.fixture
def make_site(empty_database_url):
    """A function that makes a site with rate limits, with other settings where given."""
    made = []

    def make_site(plugins=(), **settings):
        given = {f"scheduling.{name}": str(value) for name, value in settings.items()}
        made.append(Site(empty_database_url, plugins, {"scheduling.rate_limit_enabled": "true", **given}))
        return made[-1]

    yield make_site
    for site in made:
        site.close()


@pytest.fixture
def start_web(tmp_path, empty_database_url):
    """A function that starts ``scheduling web`` on the test's database, one more each time.

    Every address is one that ``X-Forwarded-For`` says.
    """
    started = []

    def start_web(**environ):
        folder = tmp_path / str(len(started))
        folder.mkdir()
        environ = {"RATE_LIMIT_ENABLED": "true", "TRUSTED_PROXIES": "127.0.0.1", **environ}
        installation = Installation(folder, PRODUCTION, empty_database_url, NO_BROKER, environ)
        installation.serve()
        if not started:
            installation.upgrade()
        started.append(installation)
        installation.web.start().wait_until_ready()
        return installation

    yield start_web
    for installation in started:
        installation.__exit__()
