"""``GET /api/v1/openapi.json``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyramid.response import Response
from pyramid.security import NO_PERMISSION_REQUIRED
from pyramid.view import view_config

from scheduling.web.openapi.schemas import Document
from scheduling.web.resources import Version1

if TYPE_CHECKING:
    from scheduling.web.request import Request


@view_config(
    context=Version1,
    name="openapi.json",
    request_method="GET",
    permission=NO_PERMISSION_REQUIRED,
    response=Document,
    operation_id="get_openapi",
    etag=True,
)
def show(context: Version1, request: Request) -> Response:
    """Describe the API: this document."""
    return Response(request.registry.openapi.json, content_type="application/json", charset=None)
