"""The HTTP client of ``scheduling smoke``: one call, whose failure is said in a sentence."""

from __future__ import annotations

import json
from http.client import HTTPException
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

_TIMEOUT_SECONDS = 30
_MAX_ANSWER_CHARACTERS = 300
"""How much is told of an answer that is an error."""


class Failed(Exception):
    """A step failed; the message is a sentence that says why."""


class Client:
    """Calls the API of the installation at ``url``; every request carries ``tag`` as its id."""

    def __init__(self, url: str, tag: str) -> None:
        self.url = url
        self.token = ""
        """The access token that is sent, if there is one."""
        self._tag = tag

    def call(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        """Call ``path`` under ``/api/v1`` and return the JSON of the answer.

        Raises :class:`Failed` if nobody answers, the answer is an error or is not JSON.
        """
        headers = {"Content-Type": "application/json", "X-Request-ID": self._tag}
        if method in ("PATCH", "DELETE"):
            # Nobody else changes these things; an installation may refuse a change without the header.
            headers["If-Match"] = "*"
        if self.token:
            headers["Authorization"] = f"Bearer {self.token}"
        data = None if body is None else json.dumps(body).encode()
        request = Request(f"{self.url}/api/v1{path}", data, headers, method=method)  # noqa: S310
        try:
            with urlopen(request, timeout=_TIMEOUT_SECONDS) as answer:  # noqa: S310
                return json.loads(answer.read())
        except HTTPError as error:
            with error:
                text = error.read(_MAX_ANSWER_CHARACTERS).decode(errors="replace")
            raise Failed(f"the answer is {error.code}: {text}") from error
        except (OSError, HTTPException) as error:
            raise Failed(f"{self.url} does not answer: {error}") from error
        except ValueError as error:
            raise Failed("the answer is not JSON") from error
