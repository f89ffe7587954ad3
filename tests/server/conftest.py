"""``scheduling web`` on either server, with two processes on an SQLite database."""

import shutil

import pytest

from tests.server.serverkit.installation import ServedInstallation


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
    """A function that starts ``scheduling web`` with two processes, or pserve, and returns it ready."""
    made = []
    shutil.copy(new_database, tmp_path / "web.db")
    (tmp_path / "tmp").mkdir()

    def make(*options, **environ):
        site = ServedInstallation(tmp_path, tmp_path / "web.db", {"TMPDIR": str(tmp_path / "tmp"), **environ})
        made.append(site)
        if server != "pserve":
            site.serve("--server", server, "--processes", "2", *options)
        site.web.start().wait_until_ready()
        return site

    yield make
    for site in made:
        site.__exit__()
