"""The SQL of preferences, and what others ask of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, cast

import sqlalchemy as sa

from scheduling.accounts.models import users
from scheduling.db.statements import Statement
from scheduling.preferences.models import user_preferences
from scheduling.preferences.notices import NOTICES, effective, merged
from scheduling.preferences.schemas import THING
from scheduling.web import members
from scheduling.web.preconditions import write_if_match

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from scheduling.db.session import Session
    from scheduling.db.versions import Versions
    from scheduling.preferences.registry import PreferencesRegistry

Channel = Literal["email", "in_app"]

_find = Statement(
    sa.select(users.c.time_zone, user_preferences.c.chosen, user_preferences.c.version)
    .select_from(users.outerjoin(user_preferences))
    .where(users.c.id == sa.bindparam("user_id"))
)

FIRST_VERSION = 1
"""The version of the preferences of somebody who has never changed them, and has no row."""


@dataclass(frozen=True)
class Preferences:
    """A user's preferences."""

    registry: PreferencesRegistry
    time_zone: str
    """The name of the user's time zone in the IANA database."""

    chosen: Mapping[str, Any]
    version: int

    def get(self, name: str) -> Any:
        """Return a preference by its key, or its default; that of a third party's plugin is ``crm.theme``."""
        return self.chosen.get(name, self.registry.members[THING][name].default)

    def wants(self, notice_type: str | None, channel: Channel) -> bool:
        """Tell whether notices of a type are told on a channel; one that cannot be switched off always is."""
        of_type = self.registry.notice_types.get(notice_type or "")
        defaults = of_type.defaults() if of_type else {}
        # What was chosen before the type lost this channel does not count: nobody could take it back.
        if channel not in defaults:
            return True
        chosen: Mapping[str, bool] = self.chosen.get(NOTICES, {}).get(notice_type, {})
        return chosen.get(channel, defaults[channel])


def of(db: Session, user_id: int) -> Preferences:
    """Return the preferences of a user, which are read once in a unit of work.

    Of somebody who does not exist any more they are the defaults.
    """
    known: dict[int, Preferences] = db.kept.setdefault(__name__, {})
    if user_id not in known:
        known[user_id] = find(db, user_id) or _defaults(db)
    return known[user_id]


def find(db: Session, user_id: int) -> Preferences | None:
    """Return the preferences of a user, or None if there is no such user."""
    row = db.row(_find, {"user_id": user_id})
    if row is None:
        return None
    return Preferences(_registry(db), row.time_zone, row.chosen or {}, row.version or FIRST_VERSION)


def of_users(db: Session, user_ids: Collection[int], name: str) -> dict[int, Any]:
    """Return one preference of several users, by one query; its default of those who never chose."""
    default = _registry(db).members[THING][name].default
    table = user_preferences
    rows = db.rows(sa.select(table.c.user_id, table.c.chosen).where(table.c.user_id.in_(user_ids)))
    chosen = {row.user_id: row.chosen for row in rows}
    return {user_id: chosen.get(user_id, {}).get(name, default) for user_id in user_ids}


def wants(db: Session, user_id: int, notice_type: str | None, channel: Channel) -> bool:
    """Do as :meth:`Preferences.wants`; of a type that cannot be switched off the database is not asked."""
    return notice_type not in _registry(db).notice_types or of(db, user_id).wants(notice_type, channel)


def shown(preferences: Preferences) -> dict[str, Any]:
    """Return preferences as the API answers them."""
    registry = preferences.registry
    notices = effective(registry.notice_types, preferences.chosen.get(NOTICES, {}))
    values = members.shown(registry, THING, preferences.chosen)
    return {**values, NOTICES: notices, "version": preferences.version}


def change(db: Session, user_id: int, changes: Mapping[str, Any], versions: Versions) -> Preferences | None:
    """Change some preferences and return all; None if there is no such user.

    Raises a ``Refusal`` (412) where they have none of the versions.
    """
    table = user_preferences
    first = sa.select(users.c.id, sa.literal({}, table.c.chosen.type)).where(users.c.id == user_id)
    insert = db.insert(table).from_select([table.c.user_id, table.c.chosen], first)
    db.write(insert.on_conflict_do_nothing())
    # Locked, so that of two changes at once both are kept.
    chosen = db.scalar(sa.select(table.c.chosen).where(table.c.user_id == user_id).with_for_update())
    if chosen is None:
        return None
    laid_over = {**chosen, **changes}
    if NOTICES in changes:
        laid_over[NOTICES] = merged(chosen.get(NOTICES, {}), changes[NOTICES])
    update = sa.update(table).where(table.c.user_id == user_id).values(chosen=laid_over)
    write_if_match(db, update.returning(table.c.version), versions)
    db.kept.pop(__name__, None)
    return find(db, user_id)


def _defaults(db: Session) -> Preferences:
    return Preferences(_registry(db), db.registry.core_settings.default_time_zone, {}, FIRST_VERSION)


def _registry(db: Session) -> PreferencesRegistry:
    return cast("PreferencesRegistry", db.registry)
