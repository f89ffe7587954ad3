"""``/organizations``, ``/organizations/{id}`` and its ``/members``."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from pyramid.authorization import Allow, Authenticated
from pyramid.decorator import reify

from scheduling.plugin import SITE_ADMIN, Acl, Item, Missing, Permission, Resource, user_principal
from scheduling_organizations import service

if TYPE_CHECKING:
    from scheduling.plugin import Row


class Member(Item):
    """One membership, by its user's id: the owner, site admins and the member itself end it."""

    id: int
    id_name = "user_id"
    __parent__: Members

    def rules(self) -> Acl:
        """Allow ending the membership."""
        owner = user_principal(self.__parent__.__parent__.row.owner_id)
        return [(Allow, who, Permission.DELETE) for who in (user_principal(self.id), owner, SITE_ADMIN)]


class Members(Resource):
    """The members: read by whoever may view the organization, added to by the owner alone."""

    item = Member
    __parent__: Organization

    def __acl__(self) -> Acl:
        return [(Allow, user_principal(self.__parent__.row.owner_id), Permission.CREATE)]


class Organization(Item):
    """One organization: members look at it; the owner and site admins change it."""

    id: int
    children: ClassVar = {"members": Members}

    # reify: on Python 3.11 functools.cached_property holds one lock for all instances during the query.
    @reify
    def row(self) -> Row:
        """The organization, and whether the sender is a member; raises ``Missing`` if there is none."""
        row = service.find(self.request.db, self.id, self.request.identity.id)
        if row is None:
            raise Missing("Organization not found")
        return row

    def rules(self) -> Acl:
        """Allow the owner and site admins everything, the sender to look at it if it is a member."""
        everything = (Permission.VIEW, Permission.EDIT, Permission.DELETE)
        acl: Acl = [
            (Allow, user_principal(self.row.owner_id), everything),
            (Allow, SITE_ADMIN, everything),
        ]
        if self.row.sender_is_member:
            acl.append((Allow, user_principal(self.request.identity.id), (Permission.VIEW,)))
        return acl


class Organizations(Resource):
    """Organizations: everybody makes some, and lists their own."""

    item = Organization

    def __acl__(self) -> Acl:
        return [(Allow, Authenticated, (Permission.LIST, Permission.CREATE))]
