"""Preferences: what each user has chosen, and which notices they want on which channel.

The channels ask when a message is written. It may import ``accounts`` and what lies below.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from scheduling.accounts.resources import Me
from scheduling.preferences import notices
from scheduling.preferences.resources import Preferences
from scheduling.preferences.schemas import THING

if TYPE_CHECKING:
    from pyramid.config import Configurator

    from scheduling.web.members import MakeField


def add_preference(config: Configurator, name: str, field: MakeField, default: Any) -> None:
    """Directive: add a member to users' preferences, as ``config.add_member`` does to a thing."""
    config.add_member(THING, name, field, default)


def includeme(config: Configurator) -> None:
    """Register the resource, the views, the directives and the preferences of notices."""
    config.add_directive("add_preference", add_preference)
    config.include(notices)
    config.add_child(Me, "preferences", Preferences)
    config.scan("scheduling.preferences.views")
