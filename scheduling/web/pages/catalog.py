"""``GET /.well-known/api-catalog``: where the API and its description are, for programs (RFC 9727)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyramid.response import Response
from pyramid.security import NO_PERMISSION_REQUIRED
from pyramid.view import view_config

from scheduling.web.pages.links import API, CATALOG, DOCS, HEALTH, OPENAPI
from scheduling.web.resources import Root
from scheduling.web.responses import to_json

if TYPE_CHECKING:
    from scheduling.web.request import Request

LINKSET = 'application/linkset+json; profile="https://www.rfc-editor.org/info/rfc9727"'


@view_config(
    context=Root,
    name=CATALOG.removeprefix("/"),
    request_method="GET",
    permission=NO_PERMISSION_REQUIRED,
    etag=True,
)
def catalog(context: Root, request: Request) -> Response:
    """List the API, with its document, its page and its health (RFC 8631), as a linkset (RFC 9264)."""
    link = request.reference
    api = {
        "anchor": link(API),
        "service-desc": [{"href": link(OPENAPI), "type": "application/json"}],
        "service-doc": [{"href": link(DOCS), "type": "text/html"}],
        "status": [{"href": link(HEALTH), "type": "application/json"}],
    }
    headers = [("Content-Type", LINKSET), ("Link", f'<{link(CATALOG)}>; rel="api-catalog"')]
    return Response(to_json({"linkset": [api]}), headerlist=headers)
