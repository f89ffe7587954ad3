"""What every page has in common: the frame around it, its Content-Security-Policy, links and files."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import jinja2
from pyramid.response import Response

from scheduling.web.pages.links import DOCS, OPENAPI
from scheduling.web.version import VERSION

if TYPE_CHECKING:
    from scheduling.web.request import Request

_BASE_POLICY = {
    "default-src": "'none'",
    "base-uri": "'none'",
    "form-action": "'none'",
    "frame-ancestors": "'none'",
    "img-src": "'self'",
    "style-src": "'self'",
}

_ENVIRONMENT = jinja2.Environment(
    loader=jinja2.PackageLoader("scheduling.web.pages"),
    autoescape=True,
    undefined=jinja2.StrictUndefined,
    auto_reload=False,
    trim_blocks=True,
    lstrip_blocks=True,
)
_ENVIRONMENT.globals.update(version=VERSION, DOCS=DOCS, OPENAPI=OPENAPI)


def policy(**more: str) -> str:
    """Return the Content-Security-Policy of a page, which may load styles and images of this server.

    What it may do beside that is named, as in ``script_src="'self'"``. No page has inline scripts or styles.
    """
    directives = _BASE_POLICY | {name.replace("_", "-"): sources for name, sources in more.items()}
    return "; ".join(f"{name} {sources}" for name, sources in directives.items())


def page(request: Request, template: str, page_policy: str, **values: Any) -> Response:
    """Return a page: a template with its values, under a policy that :func:`policy` made.

    In the template ``link(DOCS)`` is the address of a path of this server and ``file("home.css")`` that of a
    file of the folder ``static``, both below the prefix of a proxy.
    """
    request.content_security_policy = page_policy
    files = request.registry.static_files
    text = _ENVIRONMENT.get_template(template).render(
        link=request.reference,
        file=lambda name: request.reference(files.path(name)),
        **values,
    )
    headers = [("Content-Type", "text/html; charset=utf-8"), ("Cache-Control", "no-store")]
    return Response(text.encode(), headerlist=headers)
