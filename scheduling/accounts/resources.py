"""``/auth`` and ``/users``."""

from __future__ import annotations

from pyramid.authorization import Allow, Authenticated

from scheduling.security.permissions import SITE_ADMIN, Permission
from scheduling.web.resources import Acl, Resource


class Auth(Resource):
    """``/auth``: whoever has a token may look at it and end it."""

    def __acl__(self) -> Acl:
        return [(Allow, Authenticated, (Permission.VIEW, Permission.EDIT))]


class Users(Resource):
    """``/users``: the list is for site admins."""

    def __acl__(self) -> Acl:
        return [(Allow, SITE_ADMIN, Permission.LIST)]

    def __getitem__(self, name: str) -> Resource:
        if name == "me":
            return Me(self.request, name, self)
        raise KeyError(name)


class Me(Resource):
    """``/users/me``: everybody's own account."""

    def __acl__(self) -> Acl:
        return [(Allow, Authenticated, (Permission.VIEW, Permission.EDIT))]
