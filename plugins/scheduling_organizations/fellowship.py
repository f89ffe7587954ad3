"""The members of one organization are fellows."""

from __future__ import annotations

from typing import TYPE_CHECKING

import sqlalchemy as sa

from scheduling_organizations.models import organization_members

if TYPE_CHECKING:
    from collections.abc import Collection

    from scheduling.plugin import Configurator, Session

_mine, _theirs = organization_members.alias("mine"), organization_members.alias("theirs")


def find_fellows(db: Session, user_id: int, others: Collection[int]) -> list[int]:
    """Return which of other users are members of an organization of which a user is a member too."""
    query = (
        sa.select(_theirs.c.user_id)
        .join(_mine, _mine.c.organization_id == _theirs.c.organization_id)
        .where(_mine.c.user_id == user_id, _theirs.c.user_id.in_(others))
    )
    return [row.user_id for row in db.rows(query.distinct())]


def includeme(config: Configurator) -> None:
    """Register the fellowship."""
    config.add_fellowship("organizations", find_fellows)
