"""Plugins of somebody else, made for one test, and the `scheduling` command."""

import importlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from scheduling.app import make_app
from scheduling.cli.main import main
from scheduling.db.metadata import metadata
from scheduling.startup import set_up

SECRET = "a secret that only the tests know, of more than 32 bytes"


class Installed:
    """A plugin's package and its distribution's metadata in a folder that is on the path.

    Its modules and its tables, which start with ``acme``, are forgotten with it, as in another process.
    """

    def __init__(self, site, name, *, distribution, entry_point, files):
        self.name = name
        self.package = distribution.replace("-", "_")
        metadata_folder = site / f"{self.package}-2.1.dist-info"
        self._folders = [site / self.package, metadata_folder]
        files = {f"{self.package}/{path}": content for path, content in files.items()}
        files[f"{metadata_folder.name}/METADATA"] = (
            f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 2.1\n"
        )
        files[f"{metadata_folder.name}/entry_points.txt"] = (
            f"[scheduling.plugins]\n{name} = {self.package}:{entry_point}\n"
        )
        for path, content in files.items():
            (site / path).parent.mkdir(parents=True, exist_ok=True)
            (site / path).write_text(content)
        importlib.invalidate_caches()

    def uninstall(self):
        for folder in self._folders:
            shutil.rmtree(folder)
        self.forget()

    def forget(self):
        for module in [name for name in sys.modules if f"{name}.".startswith(f"{self.package}.")]:
            del sys.modules[module]
        for table in [table for name, table in metadata.tables.items() if name.startswith("acme")]:
            metadata.remove(table)
        importlib.invalidate_caches()


@pytest.fixture
def install_plugin(tmp_path, monkeypatch):
    """A function that installs a plugin; ``manifest`` are options of it, ``includeme`` its statements."""
    site = tmp_path / "site-packages"
    site.mkdir()
    monkeypatch.syspath_prepend(site)
    installed = []

    def install(
        name, distribution=None, *, manifest="", includeme="pass", top="", entry_point="plugin", files=None
    ):
        source = "\n".join(
            [
                "from scheduling.plugin import Plugin",
                top,
                f"options = {{'name': {name!r}, 'summary': 'A test.', 'api': (1, 0)}} | dict({manifest})",
                "plugin = Plugin(**options)",
                "def includeme(config):",
                *(f"    {line}" for line in includeme.splitlines()),
            ]
        )
        plugin = Installed(
            site,
            name,
            distribution=distribution or name.replace("_", "-"),
            entry_point=entry_point,
            files={"__init__.py": source, **(files or {})},
        )
        installed.append(plugin)
        return plugin

    yield install
    for plugin in installed:
        plugin.forget()


@pytest.fixture
def start(tmp_path):
    """A function that does what a start does with some plugins enabled, up to the first request."""

    def start(*plugins, **settings):
        ini = {
            "scheduling.jwt_secret": SECRET,
            "scheduling.bcrypt_cost": "4",
            "scheduling.database_url": f"sqlite:///{tmp_path}/start.db",
            "scheduling.plugins": " ".join(plugins),
            **settings,
        }
        return make_app(set_up(ini, {}), ini)

    return start


INI = """
[app:main]
use = egg:scheduling
scheduling.jwt_secret = {secret}
scheduling.bcrypt_cost = 4
scheduling.database_url = sqlite:///%(here)s/cli.db
scheduling.plugins = bookings

[server:main]
use = egg:scheduling
"""


@pytest.fixture
def ini(tmp_path):
    """The path of an ini file with bookings enabled and an empty SQLite database."""
    path = tmp_path / "test.ini"
    path.write_text(INI.format(secret=SECRET))
    return path


@pytest.fixture
def run(ini):
    """A function that runs a command with the test's ini file and returns its result."""

    def run(*arguments, input=None, **environ):  # noqa: A002
        return CliRunner().invoke(main, ["-c", str(ini), *arguments], input=input, env=environ)

    return run


@pytest.fixture
def output(run):
    """A function that runs a command, which succeeds, and returns the lines of its output."""

    def output(*arguments, **options):
        result = run(*arguments, **options)
        assert result.exit_code == 0, result.output
        return result.output.splitlines()

    return output


@pytest.fixture
def error(run):
    """A function that runs a command, which fails with status 1, and returns the message."""

    def error(*arguments, **options):
        result = run(*arguments, **options)
        assert result.exit_code == 1, result.output
        assert isinstance(result.exception, SystemExit)
        return result.output.strip()

    return error


@pytest.fixture
def program(ini):
    """A function that runs the installed program itself, in the folder of the ini file."""

    def program(*arguments, **environ):
        return subprocess.run(
            [Path(sys.executable).with_name("scheduling"), *arguments],
            cwd=ini.parent,
            env={"PATH": os.environ["PATH"], **environ},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    return program
