"""Tells a new member that it was added."""

from __future__ import annotations

from typing import TYPE_CHECKING

from scheduling.plugin import InApp, Notice, publish
from scheduling_organizations.events import MemberAdded

if TYPE_CHECKING:
    from scheduling.plugin import Configurator


def tell_new_member(event: MemberAdded) -> None:
    """Tell the new member which organization it belongs to now."""
    publish(
        Notice(
            db=event.db,
            user_id=event.member_id,
            email="ORG_INVITE",
            data={
                "organization_id": event.organization_id,
                "organization": event.organization,
                "role": event.role,
            },
            in_app=InApp(
                type="ORG_INVITE",
                title="Added to an organization",
                message=f"You have been added to {event.organization}.",
                metadata={"organization_id": event.organization_id},
            ),
        )
    )


def includeme(config: Configurator) -> None:
    """Register the subscriber."""
    config.add_subscriber(tell_new_member, MemberAdded)
