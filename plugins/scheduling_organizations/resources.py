"""``/organizations``, ``/organizations/{id}`` and its ``/members``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyramid.authorization import Allow, Authenticated
from pyramid.decorator import reify

from scheduling.plugin import SITE_ADMIN, Acl, Item, Missing, Permission, Resource, parse_id, user_principal
from scheduling_organizations import service

if TYPE_CHECKING:
    from scheduling.plugin import Row


class Organizations(Resource):
    """Everybody founds organizations and lists their own."""

    def __acl__(self) -> Acl:
        return [(Allow, Authenticated, (Permission.LIST, Permission.CREATE))]

    def __getitem__(self, name: str) -> Organization:
        organization_id = parse_id(name)
        if organization_id is None:
            raise KeyError(name)
        return Organization(self.request, organization_id, self)


class Organization(Item):
    """One organization: members look at it; the owner and site admins change it."""

    id: int

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

    def __getitem__(self, name: str) -> Members:
        if name == "members":
            return Members(self.request, name, self)
        raise KeyError(name)


class Members(Resource):
    """The members: read by whoever may view the organization, added to by the owner alone."""

    __parent__: Organization

    def __acl__(self) -> Acl:
        return [(Allow, user_principal(self.__parent__.row.owner_id), Permission.CREATE)]

    def __getitem__(self, name: str) -> Member:
        user_id = parse_id(name)
        if user_id is None:
            raise KeyError(name)
        return Member(self.request, user_id, self)


class Member(Item):
    """One membership, by its user's id: the owner, site admins and the member itself end it."""

    id: int
    __parent__: Members

    def rules(self) -> Acl:
        """Allow ending the membership."""
        owner = user_principal(self.__parent__.__parent__.row.owner_id)
        return [(Allow, who, Permission.DELETE) for who in (user_principal(self.id), owner, SITE_ADMIN)]
