"""``GET /docs``: the OpenAPI document in Swagger UI, where one can log in and try calls."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyramid.security import NO_PERMISSION_REQUIRED
from pyramid.view import view_config

from scheduling.web.pages.layout import page, policy
from scheduling.web.resources import Root

if TYPE_CHECKING:
    from pyramid.response import Response

    from scheduling.web.request import Request

# Swagger UI's style sheet has its icons in it, as data: URLs.
POLICY = policy(script_src="'self'", connect_src="'self'", img_src="'self' data:")


@view_config(context=Root, name="docs", request_method="GET", permission=NO_PERMISSION_REQUIRED, etag=True)
def docs(context: Root, request: Request) -> Response:
    """Show the page."""
    return page(request, "docs.html", POLICY)
