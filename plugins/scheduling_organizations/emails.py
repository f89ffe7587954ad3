"""What e-mails about organizations show, which is loaded when they are sent."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from scheduling_organizations.models import organization_members as members
from scheduling_organizations.models import organizations

if TYPE_CHECKING:
    from collections.abc import Sequence

    from scheduling.plugin import Configurator, Message, Session

SAMPLE = {"organization_id": 7, "organization": "Example Ltd", "role": "member"}

_find_statement = (
    sa.select(
        members.c.organization_id,
        members.c.user_id,
        organizations.c.name.label("organization"),
        members.c.role,
    )
    .join(organizations, organizations.c.id == members.c.organization_id)
    .where(sa.tuple_(members.c.organization_id, members.c.user_id).in_(sa.bindparam("pairs", expanding=True)))
)


def load_invitations(db: Session, messages: Sequence[Message]) -> list[dict[str, Any] | None]:
    """Return what new members are shown; None for one whose membership has ended, or whose organization."""
    pairs = [(message.payload["data"]["organization_id"], message.payload["user_id"]) for message in messages]
    found = {
        (row.organization_id, row.user_id): {
            "organization_id": row.organization_id,
            "organization": row.organization,
            "role": row.role,
        }
        for row in db.rows(_find_statement, {"pairs": pairs})
    }
    return [found.get(pair) for pair in pairs]


def includeme(config: Configurator) -> None:
    """Register the e-mail."""
    config.add_email_template("ORG_INVITE", "organizations/invite", sample=SAMPLE, load=load_invitations)
