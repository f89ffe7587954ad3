"""Reads and checks all settings, and loads the plugins' manifests and the e-mail provider."""

from __future__ import annotations

from dataclasses import dataclass, field
from importlib.metadata import entry_points
from typing import TYPE_CHECKING, Any

from scheduling.config import loader
from scheduling.config.settings import CoreSchema, Settings
from scheduling.config.sources import Configuration
from scheduling.email.provider import Misconfigured
from scheduling.email.providers import GROUP as PROVIDERS
from scheduling.email.providers import provider_class
from scheduling.exceptions import StartupError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from scheduling.config.loader import LoadedPlugin
    from scheduling.email.provider import EmailProvider


@dataclass(frozen=True)
class Setup:
    """The checked settings, the enabled plugins in order with theirs, and the e-mail provider."""

    settings: Settings
    plugins: list[LoadedPlugin]
    plugin_settings: dict[str, dict[str, Any]] = field(repr=False)
    email_provider: EmailProvider


def set_up(ini: Mapping[str, str], environ: Mapping[str, str]) -> Setup:
    """Check all settings and load the enabled plugins' manifests.

    Raises ``StartupError`` with every mistake in the settings of core, the plugins and the e-mail provider.
    """
    return set_up_from(Configuration(ini, environ))


def set_up_from(configuration: Configuration) -> Setup:
    """As :func:`set_up`, from a Configuration that may already hold mistakes, which are reported too."""
    core = configuration.section("scheduling", CoreSchema())
    settings = Settings(**core) if core.keys() == CoreSchema().fields.keys() else None
    enabled = core.get("plugins", [])
    plugins, plugin_settings = _load_plugins(configuration, enabled)
    provider = _make_email_provider(configuration, core.get("email_provider", "mock"), settings)
    # What is installed and not enabled may have its settings in the file already.
    providers = entry_points(group=PROVIDERS).names
    configuration.refuse_other_sections({"scheduling", "pyramid", *enabled, *loader.installed(), *providers})
    if settings is None or provider is None or configuration.mistakes:
        raise configuration.failure()
    return Setup(settings, plugins, plugin_settings, provider)


def _load_plugins(
    configuration: Configuration, enabled: list[str]
) -> tuple[list[LoadedPlugin], dict[str, dict[str, Any]]]:
    """Load the enabled plugins and read their settings."""
    try:
        plugins = loader.load(enabled)
    except StartupError as error:
        configuration.mistakes.append(str(error))
        return [], {}
    schemas = {plugin.name: plugin.manifest.settings for plugin in plugins}
    return plugins, {
        name: configuration.section(name, schema()) for name, schema in schemas.items() if schema
    }


def _make_email_provider(
    configuration: Configuration, name: str, settings: Settings | None
) -> EmailProvider | None:
    """Make the chosen provider from its settings; None where a mistake keeps that from being done."""
    try:
        provider = provider_class(name)
    except StartupError as error:
        configuration.mistakes.append(str(error))
        return None
    known = len(configuration.mistakes)
    options = configuration.section(name, provider.settings_schema()) if provider.settings_schema else {}
    if settings is None or len(configuration.mistakes) > known:
        return None
    try:
        return provider(settings, options)
    except Misconfigured as error:
        configuration.mistakes.append(f"The e-mail provider {name!r} cannot be used: {error}")
        return None
