"""An installation that is served by one of the servers."""

import re
import sqlite3
from contextlib import closing, contextmanager
from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import urlsplit

from scheduling.testing.processes import Installation

PRODUCTION = Path(__file__).parents[3] / "production.ini"
ADDON_FOLDER = str(Path(__file__).parent)
NO_BROKER = "redis://127.0.0.1:1/0"


class ServedInstallation(Installation):
    """An installation whose web process runs on the server that a test is for."""

    def __init__(self, folder, database, environ, ini=PRODUCTION):
        self._database = database
        super().__init__(folder, ini, f"sqlite:///{database}", NO_BROKER, environ)

    def children(self):
        return children(self.web.pid)

    def serving(self):
        """The ids of the processes that serve: granian's, or the only one there is."""
        return [pid for pid in self.children() if b"spawn_main" in command_line(pid)] or [self.web.pid]

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


def with_addon(options):
    """Return production.ini with the tests' add-on, and with these options in ``[server:main]``."""
    text = PRODUCTION.read_text()
    text = text.replace("[app:main]\n", "[app:main]\npyramid.includes = environ_addon\n")
    for name, value in options.items():
        text = re.sub(rf"^{name} = .*\n", "", text, flags=re.MULTILINE)
        text = text.replace("[server:main]\n", f"[server:main]\n{name} = {value}\n")
    return text


def children(pid):
    try:
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except (FileNotFoundError, ProcessLookupError):  # it ended meanwhile
        return []


def command_line(pid):
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return b""
