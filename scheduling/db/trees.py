"""The migration trees: core's and one for each plugin with tables, and which tables belong to each."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

import sqlalchemy as sa

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from scheduling.config.loader import LoadedPlugin


@dataclass(frozen=True)
class Tree:
    """One line of migrations and the tables that it makes."""

    name: str
    package: str
    owns: Callable[[str], bool]

    @property
    def version_table(self) -> str:
        """The table that remembers how far this tree is."""
        return "alembic_version" if self.name == "core" else f"alembic_version_{self.name}"

    @property
    def versions(self) -> Path:
        """The folder of the tree's migrations."""
        folder = core_folder() if self.name == "core" else _package_folder(self.package) / "migrations"
        return folder / "versions"


def trees(plugins: Sequence[LoadedPlugin]) -> list[Tree]:
    """Return core's tree, then those of the plugins, which are sorted by what they require."""
    models = [plugin for plugin in plugins if plugin.manifest.migrations]
    core = Tree("core", "scheduling", lambda table: table in core_tables())
    return [core, *(Tree(p.name, p.package, p.manifest.owns) for p in models)]


@cache
def core_tables() -> frozenset[str]:
    """Return the names of core's tables, which are in ``models.py`` of the packages that have any.

    A table of another program, or of a plugin that is gone, may be in the same database and is none of them.
    """
    folder = Path(__file__).parents[1]
    files = (models.relative_to(folder.parent) for models in folder.glob("**/models.py"))
    names = (".".join(file.with_suffix("").parts) for file in files)
    members = [member for name in names for member in vars(import_module(name)).values()]
    return frozenset(member.name for member in members if isinstance(member, sa.Table))


def core_folder() -> Path:
    """Return the folder of env.py: in the package where it is installed, beside it in a checkout."""
    here = Path(__file__).parents[1]
    installed = here / "alembic"
    return installed if installed.is_dir() else here.parent / "alembic"


def _package_folder(package: str) -> Path:
    return Path(str(import_module(package).__file__)).parent
