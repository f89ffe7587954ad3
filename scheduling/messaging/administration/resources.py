"""The resources ``/outbox`` and ``/outbox/{id}``, and who may do what with them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyramid.authorization import Allow

from scheduling.security.permissions import SITE_ADMIN, Permission
from scheduling.web.resources import Acl, Item, Resource
from scheduling.web.schemas import parse_uuid

if TYPE_CHECKING:
    import uuid


class OutboxMessage(Item):
    """``/outbox/{id}``: one message, for site admins; others do not learn whether it exists."""

    id: uuid.UUID

    def rules(self) -> Acl:
        """Allow site admins to look at it and to redrive it."""
        return [(Allow, SITE_ADMIN, (Permission.VIEW, Permission.EDIT))]


class Outbox(Resource):
    """Messages that leave the system, such as e-mails, for site admins."""

    item = OutboxMessage
    parse_item_id = parse_uuid

    def __acl__(self) -> Acl:
        return [(Allow, SITE_ADMIN, Permission.LIST)]
