"""Tells a new member that it was added."""

from __future__ import annotations

from typing import TYPE_CHECKING

from scheduling.plugin import InApp, Notice, publish, shorten
from scheduling_organizations.events import MemberAdded

if TYPE_CHECKING:
    from scheduling.plugin import Configurator

MAX_NAME = 200
"""How many characters of an organization's name are in the title of a notification, which has 255 in all."""


def tell_new_member(event: MemberAdded) -> None:
    """Tell the new member which organization it belongs to now."""
    publish(
        Notice(
            db=event.db,
            user_id=event.member_id,
            email="ORG_INVITE",
            data={
                "organization_id": event.organization_id,
                # What the templates of the release before need, which may run beside this one; these two go
                # with the next release.
                "organization": event.organization,
                "role": event.role,
            },
            in_app=InApp(
                type="ORG_INVITE",
                title=f'You\'ve been added to "{shorten(event.organization, MAX_NAME)}"',
                message=f"You have been added to {event.organization}.",
                metadata={"organization_id": event.organization_id},
            ),
        )
    )


def includeme(config: Configurator) -> None:
    """Register the subscriber, and what it tells."""
    config.add_notice_type("ORG_INVITE", "You belong to another organization")
    config.add_subscriber(tell_new_member, MemberAdded)
