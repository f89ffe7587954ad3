"""What proxies say: the path below which they have the API, and who the client is."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from scheduling.web.client_address import CLIENT_ADDRESS, address_of
from scheduling.web.problems import PROBLEM, problem_document
from scheduling.web.tweens import SECURITY_HEADERS

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from ipaddress import IPv4Network, IPv6Network
    from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

    from waitress.adjustments import Adjustments

# Two slashes at the start would be the name of a host.
_PREFIX = re.compile(r"(/[\w.~-]+)+", re.ASCII)

_REFUSAL = problem_document(400, "The proxy's X-Forwarded-Prefix is not one path such as /scheduling.")


def below_prefix(app: WSGIApplication, settings: Adjustments) -> WSGIApplication:
    """Return the application, told the prefix that ``trusted_proxy`` sends as ``X-Forwarded-Prefix``.

    It is for a proxy that takes the prefix away before it hands on a request. This has to be outside of
    waitress's middleware for proxies, which replaces the address of the peer.
    """

    def answer(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        prefix = environ.pop("HTTP_X_FORWARDED_PREFIX", "").rstrip("/")
        if prefix and settings.trusted_proxy in ("*", environ["REMOTE_ADDR"]):
            if not _PREFIX.fullmatch(prefix):
                length = ("Content-Length", str(len(_REFUSAL)))
                start_response("400 Bad Request", [("Content-Type", PROBLEM), length, *SECURITY_HEADERS])
                return [_REFUSAL]
            environ["SCRIPT_NAME"] = prefix + environ["SCRIPT_NAME"]
        return app(environ, start_response)

    return answer


def tell_client(app: WSGIApplication, trusted: Sequence[IPv4Network | IPv6Network]) -> WSGIApplication:
    """Return the application, told the client's address where there are ``trusted_proxies``.

    This has to be outside of waitress's middleware for proxies, which removes the headers of proxies that
    are not its own ``trusted_proxy``.
    """
    if not trusted:
        return app

    def answer(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        environ[CLIENT_ADDRESS] = address_of(environ, trusted)
        return app(environ, start_response)

    return answer


def strip_prefix(environ: WSGIEnvironment, prefix: str) -> None:
    """Do with ``url_prefix`` what waitress does: take it from the path where it is there, and remember it."""
    path = environ["PATH_INFO"]
    environ["SCRIPT_NAME"] = prefix
    if path == prefix or path.startswith(f"{prefix}/"):
        environ["PATH_INFO"] = path[len(prefix) :]
