"""``/notifications`` and ``/notifications/{id}``: each user's own, which nobody else can even find."""

from __future__ import annotations

from pyramid.authorization import Allow, Authenticated

from scheduling.plugin import Acl, Item, Missing, Permission, Resource, user_principal
from scheduling_notifications import service


class Notification(Item):
    """One notification, which for anybody but its user does not exist."""

    id: int

    def rules(self) -> Acl:
        """Allow its user to mark and delete it; raise ``Missing`` for everybody else."""
        owner_id = service.owner(self.request.db, self.id)
        if owner_id is None or owner_id != self.request.identity.id:
            raise Missing("Notification not found")
        return [(Allow, user_principal(owner_id), (Permission.EDIT, Permission.DELETE))]


class Notifications(Resource):
    """The sender's own notifications."""

    item = Notification

    def __acl__(self) -> Acl:
        return [(Allow, Authenticated, (Permission.LIST, Permission.EDIT))]
