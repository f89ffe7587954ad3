"""``/auth`` and ``/users``."""

from __future__ import annotations

from typing import ClassVar

from pyramid.authorization import Allow, Authenticated

from scheduling.security.permissions import SITE_ADMIN, Permission
from scheduling.web.resources import Acl, Resource


class Auth(Resource):
    """``/auth``: whoever has a token may look at it and end it."""

    def __acl__(self) -> Acl:
        return [(Allow, Authenticated, (Permission.VIEW, Permission.EDIT))]


class Me(Resource):
    """``/users/me``: everybody's own account."""

    def __acl__(self) -> Acl:
        return [(Allow, Authenticated, (Permission.VIEW, Permission.EDIT))]


class Users(Resource):
    """``/users``: the list is for site admins."""

    children: ClassVar = {"me": Me}

    def __acl__(self) -> Acl:
        return [(Allow, SITE_ADMIN, Permission.LIST)]
