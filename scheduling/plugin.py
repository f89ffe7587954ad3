"""The public face of Scheduling for plugins: import from here, and from nowhere else in ``scheduling``.

A plugin is a package whose ``plugin`` is a :class:`Plugin` manifest, named in the entry-point group
``scheduling.plugins``, and whose ``includeme(config)`` registers what it adds. See docs/plugins.md.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from scheduling.accounts.events import LoggedIn, LoginFailed, UserRegistered
from scheduling.accounts.models import users
from scheduling.accounts.service import email_is
from scheduling.config.settings import Settings
from scheduling.db.session import BigId, Json, Query, Row, Session, Timestamp, metadata, session_scope
from scheduling.db.statements import Statement
from scheduling.email.provider import (
    Ambiguous,
    EmailProvider,
    Misconfigured,
    OutgoingEmail,
    Permanent,
    SendResult,
    Transient,
)
from scheduling.events import Activity, Event, InApp, Notice, publish
from scheduling.messaging.outbox import Message, Postpone, Skip, enqueue
from scheduling.times import format_timestamp, utcnow
from scheduling.web.pagination import Keyset, PageQuery, paginate
from scheduling.web.policy import SITE_ADMIN, Identity, Permission, Role, user_principal
from scheduling.web.problems import Invalid, Missing, problem
from scheduling.web.resources import Acl, Resource
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
from scheduling.web.tweens import Request
from scheduling.web.views import json_response

if TYPE_CHECKING:
    from marshmallow import Schema
    from pyramid.registry import Registry

__all__ = [
    "API_VERSION",
    "SITE_ADMIN",
    "Acl",
    "Activity",
    "Ambiguous",
    "BigId",
    "Choice",
    "EmailAddress",
    "EmailProvider",
    "Event",
    "Identity",
    "InApp",
    "Invalid",
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

API_VERSION = (1, 0)
"""Version of this face: the first number changes when a plugin may break, the second when it can do more."""


@dataclass(frozen=True, kw_only=True)
class Plugin:
    """A plugin's manifest: what the loader must know before anything of the plugin runs."""

    name: str
    """The entry point's name, by which operators enable it: lower-case letters, digits and ``_``."""

    summary: str
    """One line for ``scheduling plugins list``."""

    api: tuple[int, int]
    """The :data:`API_VERSION` that it was written for."""

    requires: tuple[str, ...] = ()
    """Names of the plugins that must be enabled too and that are included before it."""

    settings: type[Schema] | None = None
    """Its settings: ini keys ``<name>.<field>``, environment ``SCHEDULING_<NAME>_<FIELD>``."""

    tables: tuple[str, ...] = ()
    """Its tables whose names do not start with ``<name>_``."""

    migrations: bool = False
    """True if the package has ``migrations/versions`` with an Alembic tree of its own, and ``models``."""

    commands: bool = False
    """True if the package has ``cli`` with a click group ``commands``, which is ``scheduling <name>``."""

    def owns(self, table: str) -> bool:
        """Tell whether a table belongs to this plugin."""
        return table in self.tables or table.startswith(f"{self.name}_")


class Program(Protocol):
    """What ``click.pass_obj`` gives a plugin's command."""

    @property
    def registry(self) -> Registry:
        """The registry of the whole application, on a database that is migrated."""
