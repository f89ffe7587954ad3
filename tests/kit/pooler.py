"""PgBouncer in transaction mode before the PostgreSQL of the tests, with the operators' pgbouncer.ini."""

import configparser
import os
import re
import shutil
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from psycopg.conninfo import conninfo_to_dict

from scheduling.testing.process import Process, free_port

PAGE = Path(__file__).parents[2] / "docs/operators/pgbouncer.md"
PROGRAM = shutil.which("pgbouncer", path=f"{os.environ['PATH']}:/usr/sbin")
NOBODY = ["-u", "nobody"] if os.geteuid() == 0 else []


class Pooler(Process):
    """A PgBouncer for every database of a server."""

    def __init__(self, server_url, folder):
        self._port = free_port()
        ini = folder / "pgbouncer.ini"
        with ini.open("w") as file:
            configuration(conninfo_to_dict(server_url), self._port, folder).write(file)
        super().__init__("pgbouncer", [PROGRAM, *NOBODY, str(ini)], {}, folder)

    def is_ready(self):
        return super().is_ready() and "process up" in self.output

    def url(self, database_url):
        """Return the URL by which a database of the server is reached through this pooler."""
        account = re.match(r"postgresql://([^@/]*@)?", database_url)[1] or ""
        return f"postgresql://{account}127.0.0.1:{self._port}/{conninfo_to_dict(database_url)['dbname']}"


def configuration(server, port, folder):
    """Return what the file of the operators' page says, for a server of the tests and its databases."""
    ini = configparser.ConfigParser(interpolation=None)
    ini.read_string(re.search(r"^```ini\n(.*?)^```", PAGE.read_text(), re.DOTALL | re.MULTILINE)[1])
    names = ("host", "port", "password")
    users = folder / "users"
    users.write_text(f'"{server.get("user", "")}" ""\n')
    ini["databases"] = {"*": " ".join(f"{name}={server[name]}" for name in names if name in server)}
    ini["pgbouncer"].update(
        listen_addr="127.0.0.1",
        listen_port=str(port),
        auth_type="trust",
        auth_file=str(users),
        unix_socket_dir="",
        # Fewer than the threads of a test, so that they take turns in each session.
        default_pool_size="3",
    )
    return ini


@pytest.fixture(scope="session")
def pooler(postgres):
    """A PgBouncer before the server of ``postgres``; skips the test where there is no PgBouncer."""
    if PROGRAM is None:
        pytest.skip("no pgbouncer is installed")
    # PgBouncer does not run as root, and nobody reads in /tmp.
    with TemporaryDirectory(prefix="scheduling-pgbouncer-", dir="/tmp") as name:
        folder = Path(name)
        folder.chmod(0o755)
        pooler = Pooler(postgres.url, folder).start().wait_until_ready()
        yield pooler
        pooler.kill()
