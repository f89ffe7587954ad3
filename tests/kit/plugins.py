"""Plugins of somebody else, made for one test, and a start with them."""

import importlib
import shutil
import sys

import pytest

from scheduling.app import make_app
from scheduling.db.metadata import metadata
from scheduling.startup import set_up
from scheduling.testing.site import SETTINGS


class InstalledPlugin:
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
        plugin = InstalledPlugin(
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
def start_app(tmp_path):
    """A function that does what a start does with some plugins enabled, up to the first request."""

    def start_app(*plugins, **settings):
        ini = {
            **SETTINGS,
            "scheduling.database_url": f"sqlite:///{tmp_path}/start.db",
            "scheduling.plugins": " ".join(plugins),
            **settings,
        }
        return make_app(set_up(ini, {}), ini)

    return start_app
