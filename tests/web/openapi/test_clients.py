"""docs/clients.md: the clients that it generates compile, and its lines make a booking."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs/clients.md").read_text()
NODE_PACKAGES = Path(__file__).parent / "clients/package.json"
DOCUMENTED = "http://localhost:3000"
SAID = "Yoga 2099-04-01"


def block(language):
    [found] = re.findall(rf"^```{language}\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)
    return found


def command(start):
    """The command of the page that begins like this."""
    [found] = re.findall(rf"^\$ ({start}.*)$", PAGE, re.MULTILINE)
    return found


@pytest.fixture
def run(tmp_path, url):
    """A function that runs a command of the page in a folder of the test; returns what it prints."""

    def run(line, *programs):
        path = os.pathsep.join([*map(str, programs), str(Path(sys.executable).parent), os.environ["PATH"]])
        ended = subprocess.run(
            line.replace("$url", f"{url}/api/v1/openapi.json").split(),
            cwd=tmp_path,
            env={**os.environ, "PATH": path},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert ended.returncode == 0, f"{line}\n{ended.stdout}{ended.stderr}"
        return ended.stdout

    return run


@pytest.fixture
def node_modules(tmp_path):
    """The folder of the programs of openapi-typescript and TypeScript, installed for the test."""
    npm = shutil.which("npm")
    if npm is None:
        pytest.skip("there is no npm")
    shutil.copy(NODE_PACKAGES, tmp_path)
    install = [npm, "install", "--no-audit", "--no-fund", "--prefer-offline", "--fetch-retries=0"]
    ended = subprocess.run(install, cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False)
    if ended.returncode:
        pytest.skip(f"npm cannot install: {ended.stderr[-500:]}")
    return tmp_path / "node_modules/.bin"


def test_the_page_has_at_most_ten_lines_for_each_client():
    for language in ("python", "ts"):
        assert len([line for line in block(language).splitlines() if line]) <= 10


def test_the_python_client_makes_a_booking(own_site, run, tmp_path, url):
    own_site.clear()
    assert "--fail-on-warning" not in PAGE
    run(f"{command('openapi-python-client')} --fail-on-warning")
    (tmp_path / "book.py").write_text(block("python").replace(DOCUMENTED, url))
    assert run("python -m compileall -q scheduling_client") == ""
    assert run("python -W error book.py") == f"{SAID}\n"


def test_the_typescript_client_compiles_and_makes_a_booking(own_site, run, node_modules, tmp_path, url):
    own_site.clear()
    run(command("npx openapi-typescript").removeprefix("npx "), node_modules)
    (tmp_path / "book.ts").write_text(block("ts").replace(DOCUMENTED, url))
    run("tsc --strict --noUncheckedIndexedAccess --target es2022 --module nodenext book.ts", node_modules)
    assert run("node book.js") == f"{SAID}\n"
