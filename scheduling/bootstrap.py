"""From an ini file and the environment to everything that can be known before the application is built."""

from __future__ import annotations

import configparser
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pyramid.paster import get_appsettings

from scheduling import loader
from scheduling.email import provider_class
from scheduling.errors import StartupError
from scheduling.settings import Configuration, CoreSchema, Settings

if TYPE_CHECKING:
    from collections.abc import Mapping

    from scheduling.email.provider import EmailProvider
    from scheduling.loader import Loaded


@dataclass(frozen=True)
class Setup:
    """The checked settings, the enabled plugins in order with theirs, and the e-mail provider."""

    settings: Settings
    plugins: list[Loaded]
    options: dict[str, dict[str, Any]]
    email_provider: EmailProvider


def read_ini(path: str) -> dict[str, str]:
    """Return the settings of ``[app:main]``; raise ``StartupError`` if there is no such file or section."""
    if not Path(path).is_file():
        raise StartupError(f"There is no settings file {path}; name one with -c or SCHEDULING_CONFIG.")
    try:
        settings: dict[str, str] = get_appsettings(path, name="main")
    except (LookupError, configparser.Error) as error:
        raise StartupError(f"The settings file {path} cannot be used: {error}") from error
    return settings


def set_up(ini: Mapping[str, str], environ: Mapping[str, str]) -> Setup:
    """Check all settings and load the enabled plugins' manifests.

    Raises ``StartupError`` with every mistake in the settings of core, the plugins and the e-mail provider.
    """
    configuration = Configuration(ini, environ)
    core = configuration.section("scheduling", CoreSchema())
    plugins = loader.load(core.get("plugins", []))
    options = {
        plugin.name: configuration.section(plugin.name, plugin.manifest.settings())
        for plugin in plugins
        if plugin.manifest.settings
    }
    provider_name = core.get("email_provider", "mock")
    provider = provider_class(provider_name)
    schema = provider.settings_schema
    provider_options = configuration.section(provider_name, schema()) if schema else {}
    configuration.report()
    settings = Settings(**core)
    return Setup(settings, plugins, options, provider(settings, provider_options))
