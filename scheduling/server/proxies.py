"""The path below which a proxy, or ``url_prefix``, has the API: it stands before the addresses of answers."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from scheduling.web.problems import PROBLEM, problem_document
from scheduling.web.tweens import SECURITY_HEADERS

if TYPE_CHECKING:
    from collections.abc import Iterable
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


def strip_prefix(environ: WSGIEnvironment, prefix: str) -> None:
    """Do with ``url_prefix`` what waitress does: take it from the path where it is there, and remember it."""
    path = environ["PATH_INFO"]
    environ["SCRIPT_NAME"] = prefix
    if path == prefix or path.startswith(f"{prefix}/"):
        environ["PATH_INFO"] = path[len(prefix) :]
