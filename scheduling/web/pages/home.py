"""``GET /``: what this is, whether it is well, and where its description is; a page, or the same as JSON."""

from __future__ import annotations

from functools import cache
from importlib.metadata import PackageMetadata, metadata
from typing import TYPE_CHECKING, Any

from pyramid.security import NO_PERMISSION_REQUIRED
from pyramid.view import view_config

from scheduling.web.pages.layout import page, policy
from scheduling.web.pages.links import CATALOG, DOCS, HEALTH, OPENAPI
from scheduling.web.pages.schemas import Installation
from scheduling.web.resources import Root
from scheduling.web.responses import json_response
from scheduling.web.version import VERSION

if TYPE_CHECKING:
    from pyramid.response import Response

    from scheduling.web.request import Request

POLICY = policy()

# Where both are as welcome, as for */*, the first one wins: browsers name text/html.
_TYPES = ("application/json", "text/html")


@view_config(
    context=Root,
    request_method="GET",
    permission=NO_PERMISSION_REQUIRED,
    response=Installation,
    operation_id="get_installation",
)
def home(context: Root, request: Request) -> Response:
    """Tell about this installation; who prefers HTML gets a page.

    It answers while the installation is not ready, too, and says why it is not.
    """
    told = facts(request)
    offers = request.accept.acceptable_offers(_TYPES)
    if offers and offers[0][0] == "text/html":
        response = page(request, "home.html", POLICY, **told)
    else:
        response = json_response(told)
    relations = {"api-catalog": CATALOG, "service-desc": OPENAPI, "service-doc": DOCS, "status": HEALTH}
    links = [f'<{request.reference(path)}>; rel="{relation}"' for relation, path in relations.items()]
    response.headers["Link"] = ", ".join(links)
    response.headers["Vary"] = "Accept"
    return response


def facts(request: Request) -> dict[str, Any]:
    """Return what there is to tell, as JSON has it and the page shows it."""
    reason, about = request.registry.readiness.failure(), _about()
    plugins = [
        {"name": plugin.name, "summary": plugin.manifest.summary, "distribution": plugin.distribution}
        for plugin in request.registry.plugins
    ]
    paths = {"docs": DOCS, "openapi": OPENAPI, "api_catalog": CATALOG, "health": HEALTH}
    links = {name: request.reference(path) for name, path in paths.items()}
    return {
        "name": "Scheduling",
        "summary": about["Summary"],
        "version": VERSION,
        "ready": reason is None,
        "reason": reason,
        "plugins": plugins,
        "links": links | {"source": _source(about)},
    }


@cache
def _about() -> PackageMetadata:
    """Return what the distribution says of itself, read once."""
    return metadata("scheduling")


def _source(about: PackageMetadata) -> str | None:
    """Return where the source code is; None where the distribution does not say it."""
    urls = dict(url.split(", ", 1) for url in about.get_all("Project-URL") or [])
    return urls.get("Source")
