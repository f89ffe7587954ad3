"""``/analytics``."""

from __future__ import annotations

from typing import Any

from pyramid.authorization import Allow, Authenticated

from scheduling.plugin import SITE_ADMIN, Permission, Resource


class Analytics(Resource):
    """The dashboard is for everybody who is logged in, single events are for site admins."""

    def __acl__(self) -> list[tuple[str, str, Any]]:
        return [(Allow, Authenticated, Permission.VIEW), (Allow, SITE_ADMIN, Permission.LIST)]
