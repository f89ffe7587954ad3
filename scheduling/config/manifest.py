"""A plugin's manifest: what the loader must know before anything of the plugin runs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from marshmallow import Schema


API_VERSION = (1, 3)
"""Version of the plugin API (``scheduling.plugin``): the first number changes when a plugin may break, the
second when something is added."""


@dataclass(frozen=True, kw_only=True)
class Plugin:
    """A plugin's manifest: what the loader must know before anything of the plugin runs."""

    name: str
    """The entry point's name, by which operators enable it: lower-case letters, digits and ``_``."""

    summary: str
    """One line for ``scheduling plugins list``."""

    api: tuple[int, int]
    """The :data:`API_VERSION` that it was written for."""

    requires: tuple[str, ...] = ()
    """Names of the plugins that must be enabled too and that are included before it."""

    settings: type[Schema] | None = None
    """Its settings: ini keys ``<name>.<field>``, environment ``SCHEDULING_<NAME>_<FIELD>``."""

    tables: tuple[str, ...] = ()
    """Its tables whose names do not start with ``<name>_``."""

    migrations: bool = False
    """True if the package has ``migrations/versions`` with an Alembic tree of its own, and ``models``."""

    commands: bool = False
    """True if the package has ``cli`` with a click group ``commands``, which is ``scheduling <name>``."""

    smoke_test: bool = False
    """True if the package has ``smoke`` with a function ``steps(user)``, for ``scheduling smoke``.

    It is given a ``SmokeUser`` and returns a list of ``SmokeStep``, one of which should wait for an e-mail.
    """

    def owns(self, table: str) -> bool:
        """Tell whether a table belongs to this plugin."""
        return table in self.tables or table.startswith(f"{self.name}_")
