"""``scheduling web`` on either server, on an SQLite database: waitress with one process, granian with two."""

import shutil

import pytest

from tests.server.serverkit.installation import ServedInstallation

PROCESSES = {"waitress": "1", "granian": "2"}


@pytest.fixture(params=["waitress", "granian"])
def server(request):
    return request.param


@pytest.fixture(scope="session")
def new_database(tmp_path_factory):
    """The path of a database with all tables and no row."""
    folder = tmp_path_factory.mktemp("new")
    ServedInstallation(folder, folder / "new.db", {}).upgrade()
    return folder / "new.db"


@pytest.fixture
def make_web(tmp_path, server, new_database):
    """A function that starts ``scheduling web``, or pserve, and returns it ready."""
    made = []
    shutil.copy(new_database, tmp_path / "web.db")
    (tmp_path / "tmp").mkdir()

    def make(*options, **environ):
        site = ServedInstallation(tmp_path, tmp_path / "web.db", {"TMPDIR": str(tmp_path / "tmp"), **environ})
        made.append(site)
        if server != "pserve":
            site.serve("--server", server, "--processes", PROCESSES[server], *options)
        site.web.start().wait_until_ready()
        return site

    yield make
    for site in made:
        site.__exit__()
