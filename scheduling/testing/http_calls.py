"""HTTP from a test to a process on this machine."""

from __future__ import annotations

import json
from dataclasses import dataclass
from http import HTTPStatus
from http.client import HTTPException
from typing import TYPE_CHECKING, Any
from urllib.error import HTTPError
from urllib.request import ProxyHandler, Request, build_opener

if TYPE_CHECKING:
    from email.message import Message

UNREACHABLE = (OSError, HTTPException)
"""What :func:`call` raises where nobody answers, or not to the end."""

# No proxy of the environment stands before this machine's own ports.
_open = build_opener(ProxyHandler({})).open


@dataclass(frozen=True)
class Answer:
    """An answer with JSON."""

    status: int
    headers: Message
    body: Any
    """What the JSON says."""


def call(method: str, url: str, body: Any = None, *, token: str = "", timeout: float = 30.0) -> Answer:
    """Send a request, with JSON if there is a body, and return the answer, whatever its status is.

    ``timeout`` is in seconds; one of ``UNREACHABLE`` is raised if there is no answer.
    """
    headers = {"Content-Type": "application/json"}
    if token:
        headers["Authorization"] = f"Bearer {token}"
    data = None if body is None else json.dumps(body).encode()
    request = Request(url, data, headers, method=method)  # noqa: S310
    try:
        with _open(request, timeout=timeout) as answer:
            return Answer(answer.status, answer.headers, json.loads(answer.read()))
    except HTTPError as error:
        with error:
            return Answer(error.code, error.headers, json.loads(error.read()))


def read_text(url: str) -> str:
    """Return the text at a URL; ``HTTPError`` if the status is no good one."""
    with _open(url, timeout=10) as answer:
        text: str = answer.read().decode()
        return text


def is_ok(url: str) -> bool:
    """Tell whether a URL is answered with status 200."""
    try:
        with _open(url, timeout=10) as answer:
            return bool(answer.status == HTTPStatus.OK)
    except HTTPError as error:
        error.close()
    except UNREACHABLE:
        pass
    return False
