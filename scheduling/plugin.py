"""The public face of Scheduling for plugins: import from here, and from nowhere else in ``scheduling``.

A plugin is a package whose ``plugin`` is a :class:`Plugin` manifest, named in the entry-point group
``scheduling.plugins``, and whose ``includeme(config)`` registers what it adds. See docs/plugins.md.
"""

from __future__ import annotations

from scheduling.accounts.events import LoggedIn, LoginFailed, UserRegistered
from scheduling.accounts.fellows import fellows_of
from scheduling.accounts.models import users
from scheduling.accounts.resources import Me
from scheduling.accounts.service import email_is
from scheduling.addresses import mail_address
from scheduling.config.fields import ZoneName
from scheduling.config.manifest import API_VERSION, Plugin
from scheduling.config.settings import Settings
from scheduling.db.metadata import BigId, Json, Query, Row, Timestamp, bytewise, metadata
from scheduling.db.session import Session, session_scope
from scheduling.db.statements import Statement
from scheduling.db.versions import Versions, add_version, drop_version, version_column
from scheduling.email.moments import format_moment, format_span
from scheduling.email.provider import (
    AddressRefused,
    Ambiguous,
    Deferred,
    EmailProvider,
    Misconfigured,
    OutgoingEmail,
    SendResult,
    Throttled,
    Unavailable,
)
from scheduling.events import Activity, Event, InApp, Notice, publish
from scheduling.exceptions import Invalid, Missing
from scheduling.messaging.consumers import Message, finish
from scheduling.messaging.outbox import enqueue, lock_unsent, move, release_key, withdraw
from scheduling.messaging.outcomes import Permanent, Postpone, Skip, Transient
from scheduling.observability.registry import Registry
from scheduling.plugin_protocols import Configurator, Program, SmokeStep, SmokeUser
from scheduling.preferences.service import Preferences
from scheduling.preferences.service import of as preferences_of
from scheduling.preferences.service import of_users as preference_of_users
from scheduling.preferences.service import wants as wants_notice
from scheduling.security.identity import Identity
from scheduling.security.permissions import SITE_ADMIN, Permission, Role, user_principal
from scheduling.texts import shorten
from scheduling.times import format_timestamp, utcnow
from scheduling.web import codes
from scheduling.web.codes import Code, Refusal
from scheduling.web.members import filled as filled_members
from scheduling.web.members import shown as shown_members
from scheduling.web.pagination import Keyset, Page, PageQuery, paginate
from scheduling.web.preconditions import require_version, write_if_match
from scheduling.web.problems import problem
from scheduling.web.request import Request
from scheduling.web.resources import Acl, Item, Resource
from scheduling.web.responses import json_response, set_etag
from scheduling.web.schemas import (
    AnswerSchema,
    Choice,
    Done,
    EmailAddress,
    Flag,
    JsonObject,
    Moment,
    OneLine,
    PatchSchema,
    RequestSchema,
    StrictSchema,
    Text,
    Version,
    WholeNumber,
    parse_id,
    parse_uuid,
)

__all__ = [
    "API_VERSION",
    "SITE_ADMIN",
    "Acl",
    "Activity",
    "AddressRefused",
    "Ambiguous",
    "AnswerSchema",
    "BigId",
    "Choice",
    "Code",
    "Configurator",
    "Deferred",
    "Done",
    "EmailAddress",
    "EmailProvider",
    "Event",
    "Flag",
    "Identity",
    "InApp",
    "Invalid",
    "Item",
    "Json",
    "JsonObject",
    "Keyset",
    "LoggedIn",
    "LoginFailed",
    "Me",
    "Message",
    "Misconfigured",
    "Missing",
    "Moment",
    "Notice",
    "OneLine",
    "OutgoingEmail",
    "Page",
    "PageQuery",
    "PatchSchema",
    "Permanent",
    "Permission",
    "Plugin",
    "Postpone",
    "Preferences",
    "Program",
    "Query",
    "Refusal",
    "Registry",
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
    "StrictSchema",
    "Text",
    "Throttled",
    "Timestamp",
    "Transient",
    "Unavailable",
    "UserRegistered",
    "Version",
    "Versions",
    "WholeNumber",
    "ZoneName",
    "add_version",
    "bytewise",
    "codes",
    "drop_version",
    "email_is",
    "enqueue",
    "fellows_of",
    "filled_members",
    "finish",
    "format_moment",
    "format_span",
    "format_timestamp",
    "json_response",
    "lock_unsent",
    "mail_address",
    "metadata",
    "move",
    "paginate",
    "parse_id",
    "parse_uuid",
    "preference_of_users",
    "preferences_of",
    "problem",
    "publish",
    "release_key",
    "require_version",
    "session_scope",
    "set_etag",
    "shorten",
    "shown_members",
    "user_principal",
    "users",
    "utcnow",
    "version_column",
    "wants_notice",
    "withdraw",
    "write_if_match",
]
