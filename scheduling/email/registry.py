"""The application's registry as far as e-mail knows it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from scheduling.preferences.registry import PreferencesRegistry

if TYPE_CHECKING:
    from scheduling.email.pause import SendingPause
    from scheduling.email.provider import EmailProvider
    from scheduling.email.rendering import Templates
    from scheduling.email.throttle import Throttle


class EmailRegistry(PreferencesRegistry):
    """What sending e-mails needs beside messages and preferences."""

    email_provider: EmailProvider
    """The provider that the settings chose."""

    email_templates: Templates
    """The templates of core and of the plugins, by the e-mail's kind."""

    sending_pause: SendingPause
    """Keeps e-mails from a provider that takes none at present."""

    throttle: Throttle
    """Keeps to the pace at which the provider takes e-mails."""
