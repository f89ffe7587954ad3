"""Finds the e-mail provider that the settings name, by the entry points ``scheduling.email_providers``.

Only that one is imported: others may need libraries that are not installed.
"""

from __future__ import annotations

from importlib.metadata import entry_points

from scheduling.email.provider import EmailProvider
from scheduling.exceptions import StartupError

GROUP = "scheduling.email_providers"


def provider_class(name: str) -> type[EmailProvider]:
    """Import the provider of this name and return its class; raise ``StartupError`` if it cannot be used."""
    found = entry_points(group=GROUP)
    entry = next((entry for entry in found if entry.name == name), None)
    if entry is None:
        raise StartupError(
            f"The e-mail provider {name!r} (EMAIL_PROVIDER) is not installed; "
            f"installed are: {', '.join(sorted(found.names))}."
        )
    try:
        provider = entry.load()
    except Exception as error:  # a plugin can fail in any way
        raise StartupError(
            f"The e-mail provider {name!r} could not be imported ({type(error).__name__}: {error})."
        ) from error
    if not (isinstance(provider, type) and issubclass(provider, EmailProvider)):
        raise StartupError(f"The e-mail provider {name!r}: {entry.value} is not an EmailProvider class.")
    return provider
