"""The application's registry as far as preferences know it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from scheduling.messaging.registry import MessagingRegistry

if TYPE_CHECKING:
    from scheduling.preferences.notices import NoticeType


class PreferencesRegistry(MessagingRegistry):
    """What preferences need beside messages."""

    notice_types: dict[str, NoticeType]
    """The types of notices that users can switch off, by their names."""
