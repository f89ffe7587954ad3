"""Domain events: what happened, told inside the transaction in which it happened.

A subscriber is registered with ``config.add_subscriber(fn, SomeEvent)`` and runs at once, in the same
database transaction as the fact: it can write rows through ``event.db``, and it vetoes by raising.
Subscribing to a base class hears every event derived from it, which is how analytics records
activities, and how the channels hear notices, of plugins that they know nothing about.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any, ClassVar

if TYPE_CHECKING:
    from datetime import datetime

    from scheduling.db.session import Session


@dataclass(frozen=True, kw_only=True)
class Event:
    """Something that happened. Subclasses add the facts, as plain JSON-able values and datetimes."""

    db: Session = field(repr=False, compare=False)

    def facts(self) -> dict[str, Any]:
        """Return the event's own fields, without the session, by name."""
        return {item.name: getattr(self, item.name) for item in fields(self) if item.name != "db"}


@dataclass(frozen=True, kw_only=True)
class Activity(Event):
    """Something a user did that is worth counting; ``user_id`` is None when nobody is known."""

    activity_type: ClassVar[str]
    """The type under which analytics counts it, such as ``BOOKING_CREATED``; at most 100 characters."""

    user_id: int | None

    def metadata(self) -> dict[str, Any]:
        """Return what is recorded beside the type and the user, as JSON-able values."""
        return {}


@dataclass(frozen=True, kw_only=True)
class InApp:
    """The text of a notice on the channel inside the application."""

    type: str
    title: str
    message: str
    metadata: dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Notice(Event):
    """A user should be told something. Each channel that is installed tells it in its own way.

    ``email`` is the kind of an e-mail template (``config.add_email_template``) and ``data`` what the
    template is given; ``in_app`` is the text for a channel such as the notifications plugin. Either
    may be None: that channel stays silent. Of two e-mails with one ``email_key`` the first is kept; it leaves
    at ``email_due_at``, by default at once, and not after ``email_expires_at``.

    ``type`` is that under which users switch it off (``config.add_notice_type``), by default that of
    ``in_app``. One that has none, or one that nobody has added, cannot be switched off.
    """

    user_id: int
    email: str | None = None
    data: dict[str, Any] = field(default_factory=dict)
    in_app: InApp | None = None
    email_key: str | None = None
    email_due_at: datetime | None = None
    email_expires_at: datetime | None = None
    type: str | None = None

    @property
    def switch(self) -> str | None:
        """The type under which users switch it off."""
        return self.type or (self.in_app.type if self.in_app else None)


def publish(event: Event) -> None:
    """Tell every subscriber of the event's class and base classes; what one raises comes through."""
    event.db.registry.notify(event)
