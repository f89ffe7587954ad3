"""``/analytics``."""

from __future__ import annotations

from pyramid.authorization import Allow, Authenticated

from scheduling.plugin import SITE_ADMIN, Acl, Permission, Resource


class Analytics(Resource):
    """Events: counts are for everybody who is logged in, single events for site admins."""

    def __acl__(self) -> Acl:
        return [(Allow, Authenticated, Permission.VIEW), (Allow, SITE_ADMIN, Permission.LIST)]
