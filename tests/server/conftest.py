"""``scheduling web`` on either server, on an SQLite database: waitress with one process, granian with two."""

import shutil
from contextlib import ExitStack

import pytest

from tests.server.serverkit.installation import ADDON_FOLDER, ServedInstallation, with_addon

PROCESSES = {"waitress": "1", "granian": "2"}


@pytest.fixture(scope="module", params=["waitress", "granian"])
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


@pytest.fixture(scope="module")
def start_on(new_database, tmp_path_factory):
    """A function that starts a server, with the given options in ``[server:main]`` and the tests' add-on."""
    with ExitStack() as running:

        def start_on(server, *, environ=(), **options):
            folder = tmp_path_factory.mktemp(server)
            shutil.copy(new_database, folder / "web.db")
            ini = folder / "addon.ini"
            ini.write_text(with_addon(options))
            environ = {"PYTHONPATH": ADDON_FOLDER, **dict(environ)}
            site = ServedInstallation(folder, folder / "web.db", environ, ini)
            running.callback(site.__exit__)
            site.serve("--server", server, "--processes", PROCESSES[server])
            site.web.start().wait_until_ready()
            return site

        yield start_on
