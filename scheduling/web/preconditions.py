"""``If-Match``: a call that changes a thing only while it is as the client has seen it (RFC 9110, 13.1.1)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from scheduling.db.versions import MAX_VERSION
from scheduling.exceptions import Invalid
from scheduling.web.codes import PRECONDITION_REQUIRED, STALE, Refusal

if TYPE_CHECKING:
    from collections.abc import Callable

    from pyramid.config import Configurator

    from scheduling.db.metadata import Row
    from scheduling.db.session import Session
    from scheduling.db.versions import Versions
    from scheduling.web.request import Request

    View = Callable[[Any, Request], Any]

# A list of entity tags (RFC 9110, 5.6.1 and 8.8.3). Weak ones too: a proxy that compresses weakens tags.
_TAG = r'(?:W/)?"[\x21\x23-\x7e\x80-\xff]*"'
_TAGS = re.compile(rf"[ \t,]*{_TAG}[ \t]*(?:,(?:[ \t]*{_TAG})?[ \t]*)*")
_VERSION = re.compile(r'"([1-9][0-9]{0,9})[."]')


def read_if_match(header: str) -> Versions:
    """Return the versions that ``If-Match`` names: of each tag what is before the dot.

    Raises :class:`Invalid` for what is neither ``*`` nor a list of entity tags. A tag without a version, as
    that of something else, matches nothing.
    """
    if header.strip(" \t") == "*":
        return None
    if not _TAGS.fullmatch(header):
        raise Invalid({"If-Match": ['must be * or the ETag of what is changed, such as "3.9f86d081"']})
    return frozenset(version for version in map(int, _VERSION.findall(header)) if version <= MAX_VERSION)


def require_version(thing: Row, versions: Versions) -> None:
    """Raise a :class:`Refusal` (412) where a row that was read has none of the versions.

    For a view that looks at the row before it changes it, so that a client is not told of what it has not
    seen yet. What holds at the change itself is up to :func:`write_if_match`.
    """
    if versions is not None and thing.version not in versions:
        raise _stale()


def write_if_match(
    db: Session,
    statement: sa.Update | sa.Delete,
    versions: Versions,
    *further_conditions: sa.ColumnElement[bool],
) -> Row | None:
    """Change or delete one row if it has one of the versions; return what the statement returns of it.

    The WHERE of the statement says which row it is, and its RETURNING what is returned. Returns None where
    there is no such row, or none for which the further conditions hold. Raises a :class:`Refusal` (412) where
    there is one and its version is another.
    """
    table = statement.table
    thing: Any = statement.whereclause
    conditions = list(further_conditions)
    if versions is not None:
        conditions.append(table.c.version.in_(versions))
    row: Row | None = db.write(statement.where(*conditions)).first()
    if row is None and versions is not None:
        version = db.scalar(sa.select(table.c.version).where(thing))
        if version is not None and version not in versions:
            raise _stale()
    return row


def _stale() -> Refusal:
    return Refusal(STALE, "Somebody has changed this since you read it; please look again.")


def if_match_deriver(view: View, info: Any) -> View:
    """View deriver below the renderer: read ``If-Match`` into ``request.expected_versions``.

    Before the body is read; a call without the header is refused (428) where the settings say so.
    """
    if not info.options.get("if_match"):
        return view

    def view_with_versions(context: Any, request: Request) -> Any:
        header = request.environ.get("HTTP_IF_MATCH")
        if header is not None:
            request.expected_versions = read_if_match(header)
        elif request.registry.core_settings.require_if_match:
            raise Refusal(PRECONDITION_REQUIRED, "Send If-Match with the ETag of what you change.")
        return view(context, request)

    return view_with_versions


if_match_deriver.options = ("if_match",)  # type: ignore[attr-defined]


def includeme(config: Configurator) -> None:
    """Register the deriver."""
    config.add_view_deriver(if_match_deriver, under="rendered_view", over="input_deriver")
