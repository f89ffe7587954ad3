"""What clients are told of rate limits: the 429, and the headers of every limited call.

They are those of https://datatracker.ietf.org/doc/html/draft-ietf-httpapi-ratelimit-headers-10.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from scheduling.throttling.limiter import TooMany
from scheduling.web.client_address import client_address
from scheduling.web.codes import RATE_LIMITED
from scheduling.web.problems import problem

if TYPE_CHECKING:
    from pyramid.config import Configurator
    from pyramid.response import Response

    from scheduling.throttling.limiter import Limit
    from scheduling.web.request import Request


def tell(request: Request, limit: Limit, remaining: int, reset: int) -> None:
    """Have the answer say how many calls remain, and that there are more, or one again, after ``reset`` s."""
    told: dict[str, tuple[str, str]] | None = request.__dict__.get("told_limits")
    if told is None:
        told = request.__dict__["told_limits"] = {}
        request.add_response_callback(_write_headers)
    told[limit.name] = limit.policy, f'"{limit.name}";r={remaining};t={reset}'


def _write_headers(request: Request, response: Response) -> None:
    told = request.__dict__["told_limits"].values()
    response.headers["RateLimit-Policy"] = ", ".join(policy for policy, _ in told)
    response.headers["RateLimit"] = ", ".join(state for _, state in told)


def too_many(refusal: TooMany, request: Request) -> Response:
    """Answer 429."""
    request.registry.limiter.attacks.note(refusal.limit.name, client_address(request))
    seconds = refusal.retry_after
    sentence = f"Too many attempts; please try again in {seconds} seconds."
    return problem(request, 429, sentence, [("Retry-After", str(seconds))], code=RATE_LIMITED)


def includeme(config: Configurator) -> None:
    """Register the exception view."""
    config.add_exception_view(too_many, context=TooMany)
