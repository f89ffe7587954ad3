"""Finds the enabled plugins and includes them in order, with one clear message when that fails."""

from __future__ import annotations

from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pyramid.exceptions import ConfigurationConflictError, ConfigurationExecutionError

from scheduling.config.manifest import API_VERSION, Plugin
from scheduling.exceptions import StartupError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pyramid.config import Configurator

GROUP = "scheduling.plugins"


@dataclass(frozen=True)
class LoadedPlugin:
    """A plugin that is installed and usable: its manifest, package and distribution."""

    manifest: Plugin
    package: str
    distribution: str

    @property
    def name(self) -> str:
        """The plugin's name."""
        return self.manifest.name


def installed() -> dict[str, list[EntryPoint]]:
    """Return the entry points of every installed plugin by name; more than one where names collide."""
    found: dict[str, list[EntryPoint]] = {}
    for entry in entry_points(group=GROUP):
        found.setdefault(entry.name, []).append(entry)
    return found


def distribution(entry: EntryPoint) -> str:
    """Return the name and version of the distribution that ships an entry point."""
    return f"{entry.dist.name} {entry.dist.version}" if entry.dist else "an unknown distribution"


def load(names: Sequence[str]) -> list[LoadedPlugin]:
    """Load the manifests of the named plugins, each after those it requires.

    Raises ``StartupError`` that lists everything that is wrong with them.
    """
    available = installed()
    mistakes: list[str] = []
    loaded: dict[str, LoadedPlugin] = {}
    for name in dict.fromkeys(names):
        try:
            loaded[name] = load_manifest(name, available)
        except StartupError as error:
            mistakes.append(str(error))
    mistakes += _unmet_requirements(loaded, names) + _shared_tables(loaded)
    if mistakes:
        # The items of a list that has everything else that is wrong, too.
        raise StartupError("\n  - ".join(f"Plugin {mistake}" for mistake in mistakes))
    return _sorted(loaded)


def _named(plugin: LoadedPlugin) -> str:
    return f"{plugin.name!r} of {plugin.distribution}"


def load_manifest(name: str, available: dict[str, list[EntryPoint]] | None = None) -> LoadedPlugin:
    """Load one plugin's manifest; raise ``StartupError`` that says why it cannot be used."""
    available = installed() if available is None else available
    entries = available.get(name, [])
    if not entries:
        known = ", ".join(sorted(available)) or "none"
        raise StartupError(
            f"{name!r} is enabled but not installed (installed: {known}); install the distribution "
            "that has it, or take the name out of scheduling.plugins (SCHEDULING_PLUGINS)"
        )
    if len(entries) > 1:
        claimants = " and ".join(sorted(distribution(entry) for entry in entries))
        raise StartupError(f"{name!r} is claimed by {claimants}; uninstall all but one of them")
    return _import(entries[0])


def _import(entry: EntryPoint) -> LoadedPlugin:
    origin = distribution(entry)
    try:
        manifest = entry.load()
    except Exception as error:  # a plugin can fail in any way
        raise StartupError(
            f"{entry.name!r} of {origin} could not be imported ({type(error).__name__}: {error}); "
            "update or repair that distribution, or disable the plugin"
        ) from error
    if not isinstance(manifest, Plugin) or manifest.name != entry.name:
        raise StartupError(
            f"{entry.name!r} of {origin}: {entry.value} is not a Plugin manifest of that name; "
            "its author has to repair it"
        )
    if manifest.api[0] != API_VERSION[0] or manifest.api[1] > API_VERSION[1]:
        wanted, ours = (".".join(map(str, version)) for version in (manifest.api, API_VERSION))
        raise StartupError(
            f"{entry.name!r} of {origin} needs plugin API {wanted}, this Scheduling has {ours}; "
            "install a release of the plugin that fits, or another release of Scheduling"
        )
    return LoadedPlugin(manifest, entry.module, origin)


def _unmet_requirements(loaded: dict[str, LoadedPlugin], names: Sequence[str]) -> list[str]:
    return [
        f"{_named(plugin)} requires {required!r}; enable that too"
        for plugin in loaded.values()
        for required in plugin.manifest.requires
        if required not in names
    ]


def _shared_tables(loaded: dict[str, LoadedPlugin]) -> list[str]:
    return [
        f"{_named(plugin)} and {_named(other)} both claim the table {table!r}; disable one of them"
        for plugin, other in combinations(loaded.values(), 2)
        for table in sorted({*plugin.manifest.tables, *other.manifest.tables})
        if plugin.manifest.owns(table) and other.manifest.owns(table)
    ]


def _sorted(loaded: dict[str, LoadedPlugin]) -> list[LoadedPlugin]:
    graph = {name: sorted(plugin.manifest.requires) for name, plugin in sorted(loaded.items())}
    try:
        return [loaded[name] for name in TopologicalSorter(graph).static_order()]
    except CycleError as error:
        circle = " → ".join(_named(loaded[name]) for name in error.args[1])
        raise StartupError(
            f"These plugins require each other in a circle: {circle}; "
            "disable them, their authors have to repair it"
        ) from error


def include(config: Configurator, plugins: Sequence[LoadedPlugin]) -> None:
    """Include the plugins and carry out all of the configuration.

    Raises ``StartupError`` that names the distributions when one fails or two claim the same thing.
    """
    for plugin in plugins:
        try:
            config.include(plugin.package)
        except StartupError:
            raise
        except Exception as error:  # a plugin can fail in any way
            raise _cannot_be_set_up(plugin, type(error), error) from error
    try:
        config.commit()
    except ConfigurationConflictError as error:
        infos = [info for conflict in error._conflicts.values() for info in conflict]  # noqa: SLF001
        names = " and ".join(map(_named, _at_fault(plugins, infos) or plugins))
        raise StartupError(
            f"What {names} set up is in conflict, with each other or with Scheduling itself; "
            f"disable one of them.\n{error}"
        ) from error
    except ConfigurationExecutionError as error:
        culprits = _at_fault(plugins, [error.info])
        if not culprits:
            raise
        raise _cannot_be_set_up(culprits[0], error.etype, error.evalue) from error


def _at_fault(plugins: Sequence[LoadedPlugin], infos: Sequence[Any]) -> list[LoadedPlugin]:
    """Return the plugins that have the lines of code which Pyramid's ``infos`` name."""
    files = [Path(info.file) for info in infos]

    def has_one(plugin: LoadedPlugin) -> bool:
        module = import_module(plugin.package)
        places = getattr(module, "__path__", None) or [module.__file__]
        return any(file.is_relative_to(place) for file in files for place in places)

    return list(filter(has_one, plugins))


def _cannot_be_set_up(plugin: LoadedPlugin, kind: type[BaseException], error: BaseException) -> StartupError:
    return StartupError(
        f"The plugin {_named(plugin)} could not be set up ({kind.__name__}: {error}); "
        "update or repair that distribution, or disable the plugin."
    )
