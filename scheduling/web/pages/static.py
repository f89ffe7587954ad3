"""``GET /static/{file}``: the files that pages load."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyramid.response import Response
from pyramid.security import NO_PERMISSION_REQUIRED
from pyramid.view import view_config

from scheduling.web.resources import StaticFile

if TYPE_CHECKING:
    from scheduling.web.request import Request

YEAR = "public, max-age=31536000, immutable"
"""What caches are told: a file that changes has another name, so this one is never asked for again."""


@view_config(context=StaticFile, request_method="GET", permission=NO_PERMISSION_REQUIRED)
def static_file(context: StaticFile, request: Request) -> Response:
    """Answer the file."""
    file = context.file
    headers = [("Content-Type", file.media_type), ("Cache-Control", YEAR)]
    return Response(file.body, headerlist=headers)
