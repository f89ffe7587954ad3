"""``scheduling web`` on either server, with two processes on an SQLite database."""

import shutil
import sqlite3
from contextlib import closing, contextmanager
from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from scheduling.testing.processes import Installation

PRODUCTION = Path(__file__).parents[2] / "production.ini"
NO_BROKER = "redis://127.0.0.1:1/0"


class Site(Installation):
    """An installation whose web process runs on the server that a test is for."""

    def __init__(self, folder, database, environ):
        self._database = database
        super().__init__(folder, PRODUCTION, f"sqlite:///{database}", NO_BROKER, environ)

    def children(self):
        return children(self.web.pid)

    def serving(self):
        """The ids of the processes that serve: all without a child but the first, which exposes metrics."""
        _, *others = self.children()
        return [leaf for pid in others for leaf in children(pid) or [pid]]

    def in_flight(self):
        return self.web.metric("scheduling_http_requests_in_flight")

    def connect(self):
        """Return a connection that is kept alive; to be closed."""
        address = urlsplit(self.web.url)
        return closing(HTTPConnection(address.hostname, address.port, timeout=30))

    @contextmanager
    def locked_database(self):
        """Let nobody write meanwhile, so that a request that does so lasts."""
        with closing(sqlite3.connect(self._database)) as connection:
            connection.execute("BEGIN IMMEDIATE")
            yield


def children(pid):
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


@pytest.fixture(params=["waitress", "granian"])
def server(request):
    return request.param


@pytest.fixture(scope="session")
def new_database(tmp_path_factory):
    """The path of a database with all tables and no row."""
    folder = tmp_path_factory.mktemp("new")
    Site(folder, folder / "new.db", {}).upgrade()
    return folder / "new.db"


@pytest.fixture
def make_web(tmp_path, server, new_database):
    """A function that starts ``scheduling web`` with two processes, or pserve, and returns it ready."""
    made = []
    shutil.copy(new_database, tmp_path / "web.db")
    (tmp_path / "tmp").mkdir()

    def make(*options, **environ):
        site = Site(tmp_path, tmp_path / "web.db", {"TMPDIR": str(tmp_path / "tmp"), **environ})
        made.append(site)
        if server != "pserve":
            site.serve("--server", server, "--processes", "2", *options)
        site.web.start().wait_until_ready()
        return site

    yield make
    for site in made:
        site.__exit__()
