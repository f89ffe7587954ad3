"""From an ini file and the environment to everything that can be known before the application is built."""

from __future__ import annotations

import configparser
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pyramid.paster import get_appsettings

from scheduling import loader
from scheduling.email import provider_class
from scheduling.email.mock import MockProvider
from scheduling.email.provider import Misconfigured
from scheduling.errors import StartupError
from scheduling.settings import Configuration, CoreSchema, Settings

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from scheduling.email.provider import EmailProvider
    from scheduling.loader import Loaded


@dataclass(frozen=True)
class Setup:
    """The checked settings, the enabled plugins in order with theirs, and the e-mail provider."""

    settings: Settings
    plugins: list[Loaded]
    options: dict[str, dict[str, Any]] = field(repr=False)
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
    plugins: list[Loaded] = []
    options: dict[str, dict[str, Any]] = {}
    try:
        plugins = loader.load(core.get("plugins", []))
    except StartupError as error:
        configuration.mistake(str(error))
    for plugin in plugins:
        if plugin.manifest.settings:
            options[plugin.name] = configuration.section(plugin.name, plugin.manifest.settings())
    make_provider = _email_provider(configuration, core.get("email_provider", "mock"))
    configuration.report()
    settings = Settings(**core)
    try:
        provider = make_provider(settings)
    except Misconfigured as error:
        raise StartupError(
            f"The e-mail provider {settings.email_provider!r} cannot be used: {error}"
        ) from error
    return Setup(settings, plugins, options, provider)


def _email_provider(configuration: Configuration, name: str) -> Callable[[Settings], EmailProvider]:
    """Find the chosen provider and read its settings; return what makes it from core's settings."""
    try:
        provider = provider_class(name)
    except StartupError as error:
        configuration.mistake(str(error))
        return lambda settings: MockProvider(settings, {})
    schema = provider.settings_schema
    options = configuration.section(name, schema()) if schema else {}
    return lambda settings: provider(settings, options)
