"""The public face of Scheduling for plugins: import from here, and from nowhere else in ``scheduling``.

A plugin is a package whose ``plugin`` is a :class:`Plugin` manifest, named in the entry-point group
``scheduling.plugins``, and whose ``includeme(config)`` registers what it adds. See docs/plugins.md.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Literal, NoReturn, Protocol

from scheduling.accounts.events import LoggedIn, LoginFailed, UserRegistered
from scheduling.accounts.models import users
from scheduling.accounts.service import email_is
from scheduling.config.manifest import API_VERSION, Plugin
from scheduling.config.settings import Settings
from scheduling.db.metadata import BigId, Json, Query, Row, Timestamp, metadata
from scheduling.db.session import Session, session_scope
from scheduling.db.statements import Statement
from scheduling.email.provider import Ambiguous, EmailProvider, Misconfigured, OutgoingEmail, SendResult
from scheduling.events import Activity, Event, InApp, Notice, publish
from scheduling.exceptions import Invalid, Missing
from scheduling.messaging.outbox import Message, enqueue
from scheduling.messaging.outcomes import Permanent, Postpone, Skip, Transient
from scheduling.security.identity import Identity
from scheduling.security.permissions import SITE_ADMIN, Permission, Role, user_principal
from scheduling.times import format_timestamp, utcnow
from scheduling.web.pagination import Keyset, PageQuery, paginate
from scheduling.web.problems import problem
from scheduling.web.request import Request
from scheduling.web.resources import Acl, Item, Resource
from scheduling.web.responses import json_response
from scheduling.web.schemas import (
    Choice,
    EmailAddress,
    JsonObject,
    Moment,
    PatchSchema,
    RequestSchema,
    Text,
    WholeNumber,
    parse_id,
)

if TYPE_CHECKING:
    from pyramid.registry import Registry

__all__ = [
    "API_VERSION",
    "SITE_ADMIN",
    "Acl",
    "Activity",
    "Ambiguous",
    "BigId",
    "Choice",
    "Configurator",
    "EmailAddress",
    "EmailProvider",
    "Event",
    "Identity",
    "InApp",
    "Invalid",
    "Item",
    "Json",
    "JsonObject",
    "Keyset",
    "LoggedIn",
    "LoginFailed",
    "Message",
    "Misconfigured",
    "Missing",
    "Moment",
    "Notice",
    "OutgoingEmail",
    "PageQuery",
    "PatchSchema",
    "Permanent",
    "Permission",
    "Plugin",
    "Postpone",
    "Program",
    "Query",
    "Request",
    "RequestSchema",
    "Resource",
    "Role",
    "Row",
    "SendResult",
    "Session",
    "Settings",
    "Skip",
    "SmokeStep",
    "SmokeUser",
    "Statement",
    "Text",
    "Timestamp",
    "Transient",
    "UserRegistered",
    "WholeNumber",
    "email_is",
    "enqueue",
    "format_timestamp",
    "json_response",
    "metadata",
    "paginate",
    "parse_id",
    "problem",
    "publish",
    "session_scope",
    "user_principal",
    "users",
    "utcnow",
]


class Configurator(Protocol):
    """What a plugin's ``includeme(config)`` is given: Pyramid's Configurator with our directives.

    Every directive is here, and of Pyramid's own methods those that most plugins use; the others are there
    too (https://docs.pylonsproject.org/projects/pyramid/en/2.1-branch/api/config.html). Two plugins that
    register the same name stop the start with a message that names both.
    """

    registry: Registry

    def add_api_resource(self, name: str, factory: Callable[[Request, str, Resource], Resource]) -> None:
        """Make ``factory(request, name, parent)`` the child ``name`` of ``/api/v1``."""

    def add_email_template(
        self,
        kind: str,
        base: str,
        sample: Mapping[str, Any],
        *,
        wanted: Callable[[Session, Mapping[str, Any]], bool] | None = None,
        on_ambiguous: Literal["resend", "hold"] = "resend",
    ) -> None:
        """Register the subject, text and HTML of an e-mail kind, with sample data that renders them.

        ``wanted(db, data)`` is asked right before sending; False skips the e-mail. ``on_ambiguous`` says what
        happens where nobody knows whether an e-mail was accepted.
        """

    def add_event_consumer(
        self, name: str, event: type[Event], handler: Callable[[Message, Registry], str | None]
    ) -> None:
        """Run ``handler(message, registry)`` in a worker, at least once, for each event of a class."""

    def add_outbox_consumer(
        self, name: str, handler: Callable[[Message, Registry], str | None], attempts: int = 8
    ) -> None:
        """Run ``handler(message, registry)`` in a worker, at least once, for each message to ``name``."""

    def add_housekeeping(self, name: str, work: Callable[[Registry], bool | None], seconds: float) -> None:
        """Call ``work(registry)`` in every worker, again after ``seconds``, or at once if it was True."""

    def add_subscriber(self, subscriber: Callable[[Any], object], iface: type[Event]) -> None:
        """Call ``subscriber(event)`` for each event of a class, in the transaction in which it happens."""

    def include(self, callable: str) -> None:  # noqa: A002 - Pyramid's name
        """Call the ``includeme`` of a module."""

    def scan(self, package: str) -> None:
        """Register the views that ``@view_config`` decorates in a module."""


class Program(Protocol):
    """What ``click.pass_obj`` gives a plugin's command."""

    @property
    def registry(self) -> Registry:
        """The registry of the whole application, on a database that is migrated."""


SmokeStep = tuple[str, Callable[[], None]]
"""A step of ``scheduling smoke``: the name that is printed, and what is done, which raises if it fails."""


class SmokeUser(Protocol):
    """The throw-away account that ``scheduling smoke`` has registered and logged in, for a plugin's steps."""

    name: str
    """A name that nobody else has, such as ``smoke-1c11b057``."""

    def call(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        """Call ``path`` under ``/api/v1`` as this user; return the answer's JSON. An error fails the step."""

    def wait_for_email(self, kind: str) -> None:
        """Wait until an e-mail of this kind to the account is sent; fail the step if it is not in time."""

    def fail(self, reason: str) -> NoReturn:
        """Fail the step; ``reason`` is printed behind its name."""
