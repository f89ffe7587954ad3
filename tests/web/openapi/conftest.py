"""The document of an application with all plugins, and that application behind a port."""

import pytest
from webtest.http import StopableWSGIServer

from scheduling.testing import Site
from scheduling.web.openapi.document import make_document


@pytest.fixture(scope="module")
def own_site(enabled_plugins, tmp_path_factory):
    """A site on SQLite: what the document says does not depend on the kind of database."""
    site = Site(f"sqlite:///{tmp_path_factory.mktemp('openapi')}/test.db", enabled_plugins)
    yield site
    site.close()


@pytest.fixture(scope="module")
def document(own_site):
    return make_document(own_site.registry)


@pytest.fixture(scope="module")
def url(own_site):
    """Where waitress serves the site."""
    server = StopableWSGIServer.create(own_site.wsgi_app, threads=4)
    yield server.application_url.removesuffix("/")
    server.shutdown()
