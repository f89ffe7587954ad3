"""README.md: its tour, run as it is written, gives the answers that it shows; a second ``make run`` helps."""

import re
import shutil
import subprocess
import sysconfig
from pathlib import Path

import pytest

from scheduling.testing.processes import Installation, wait_for
from tests.kit import tours

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
TOUR = README[README.index("## A tour") : README.index("## On PostgreSQL")]

pytestmark = pytest.mark.skipif(
    not shutil.which("curl") or not shutil.which("make"), reason="no curl, no make"
)


@pytest.fixture(scope="module")
def installation(tmp_path_factory):
    """``make run``'s server with an empty database and a port of its own."""
    folder = tmp_path_factory.mktemp("readme")
    url = f"sqlite:///{folder}/scheduling.db"
    with Installation(folder, ROOT / "development.ini", url, redis_url="", environ={}) as installation:
        installation.upgrade()
        installation.web.start().wait_until_ready()
        yield installation


def test_the_tour_answers_as_shown(installation, tmp_path):
    commands, shown = zip(*tours.commands(TOUR), strict=True)
    outputs = tours.run(commands, installation, tmp_path)
    assert [tours.masked(output) for output in outputs] == [tours.masked(output) for output in shown]
    # The e-mail that README.md shows: all of its lines but the first, and those with the day.
    email = re.search(r"^```\n( *\d.*? E-mail .*?)^```", TOUR, re.DOTALL | re.MULTILINE)[1]
    lines = [line for line in email.splitlines()[1:] if not re.search(r" \d{4}, ", line)]
    wait_for(lambda: all(line in installation.web.output for line in lines))


def test_a_second_make_run_says_which_port_is_taken_and_what_to_set(installation):
    port = installation.web.url.rpartition(":")[2]
    done = subprocess.run(
        ["make", "--old-file=.venv/.ready", "run", f"BIN={sysconfig.get_path('scripts')}"],
        cwd=ROOT,
        env={**installation.environ, "PORT": port},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode
    assert "Traceback" not in done.stdout
    *_, said, make_said = done.stdout.splitlines()
    assert f"127.0.0.1:{port} (Address already in use)" in said
    assert f"PORT={int(port) + 1}" in said
    assert make_said.startswith("make: ***")


def test_every_terminal_on_postgresql_is_told_which_database():
    section = README[README.index("## On PostgreSQL") : README.index("## In production")]
    blocks = re.findall(r"^```console\n(.*?)^```", section, re.DOTALL | re.MULTILINE)
    starting = [block for block in blocks if re.search(r"make run|bin/scheduling", block)]
    assert len(starting) == 4
    assert all("export DATABASE_URL=postgresql:///scheduling" in block for block in starting)
    broker = [block for block in starting if "REDIS_URL=redis://localhost:6379/0" in block]
    assert broker == starting[1:]


@pytest.mark.parametrize(("target", "with_tools"), [("run", False), ("test", True), ("check", True)])
def test_make_run_installs_no_tools_of_development(target, with_tools):
    command = ["make", "--dry-run", "--always-make", target]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=True)
    assert "--editable .\n" in done.stdout
    assert ("--editable '.[dev]'" in done.stdout) == with_tools
