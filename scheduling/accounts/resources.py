"""``/auth`` and ``/users``."""

from __future__ import annotations

from typing import ClassVar

from pyramid.authorization import Allow, Authenticated

from scheduling.security.permissions import SITE_ADMIN, Permission
from scheduling.web.resources import Acl, Resource


class Auth(Resource):
    """Accounts and tokens: registration, log-in and log-out."""

    def __acl__(self) -> Acl:
        return [(Allow, Authenticated, (Permission.VIEW, Permission.EDIT))]


class Me(Resource):
    """Everybody's own account."""

    def __acl__(self) -> Acl:
        return [(Allow, Authenticated, (Permission.VIEW, Permission.EDIT))]


class Users(Resource):
    """Users: everybody's own account, and for site admins the list of all."""

    children: ClassVar = {"me": Me}

    def __acl__(self) -> Acl:
        return [(Allow, SITE_ADMIN, Permission.LIST)]
