"""The codes of problems: stable words by which programs tell why a call failed."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from scheduling.config.directives import register

if TYPE_CHECKING:
    from pyramid.config import Configurator

    from scheduling.web.registry import WebRegistry
    from scheduling.web.schemas import AnswerSchema


_WORD = re.compile(r"[a-z][a-z0-9_]*")


@dataclass(frozen=True)
class Code:
    """A word in the member ``code`` of a problem, the status that it comes with, and what it means.

    ``members`` describes what else the problem has then, as a :class:`~scheduling.web.schemas.AnswerSchema`.
    Raises ``ValueError`` for a word that is not as ``time_taken``, and for a status that is no error's.
    """

    word: str
    status: int
    meaning: str
    members: type[AnswerSchema] | None = field(default=None, compare=False)

    def __post_init__(self) -> None:
        if not _WORD.fullmatch(self.word):
            raise ValueError(f"The word of a code is of a-z, 0-9 and _, as in time_taken, not {self.word!r}.")
        if self.status not in range(400, 600):
            raise ValueError(f"The status of the code {self.word} is from 400 to 599, not {self.status!r}.")


INVALID = Code(
    "invalid", 400, "The request is malformed, or a field is missing or wrong: `errors` names the fields."
)
UNAUTHENTICATED = Code("unauthenticated", 401, "There is no token, or a token or a password is wrong.")
TOKEN_EXPIRED = Code("token_expired", 401, "The token has expired: log in again.")
TOKEN_REVOKED = Code("token_revoked", 401, "The token was ended, as by a new password: log in again.")
FORBIDDEN = Code("forbidden", 403, "The sender is known and not allowed to do this.")
NOT_FOUND = Code("not_found", 404, "There is no such thing, or the sender must not learn of it.")
METHOD_NOT_ALLOWED = Code("method_not_allowed", 405, "`Allow` names the methods that are possible here.")
CONFLICT = Code("conflict", 409, "The thing is in another state than the call expects: look again.")
IDEMPOTENCY_RUNNING = Code(
    "idempotency_running",
    409,
    "The first call with this `Idempotency-Key` still runs: try again after `Retry-After` seconds.",
)
STALE = Code(
    "stale", 412, "The thing has another version than `If-Match` names: read it again, then decide anew."
)
TOO_LARGE = Code("too_large", 413, "The body is larger than the server takes.")
UNSUPPORTED_MEDIA_TYPE = Code("unsupported_media_type", 415, "The body is not uncompressed JSON in UTF-8.")
IDEMPOTENCY_MISMATCH = Code(
    "idempotency_mismatch", 422, "This `Idempotency-Key` was sent before with another body or query string."
)
PRECONDITION_REQUIRED = Code(
    "precondition_required", 428, "The installation wants `If-Match`, with the `ETag` of what is changed."
)
RATE_LIMITED = Code(
    "rate_limited", 429, "There were too many of these calls: try again after `Retry-After` seconds."
)
HEADERS_TOO_LARGE = Code(
    "request_header_fields_too_large", 431, "The headers are larger than the server takes."
)
INTERNAL = Code("internal", 500, "A fault of the server; `request_id` finds it in the server's log.")
NOT_IMPLEMENTED = Code("not_implemented", 501, "The request uses a part of HTTP that the server lacks.")
UNAVAILABLE = Code("unavailable", 503, "The server cannot answer now: try again after `Retry-After` seconds.")

DEFAULTS = {
    code.status: code
    for code in (
        INVALID,
        UNAUTHENTICATED,
        FORBIDDEN,
        NOT_FOUND,
        METHOD_NOT_ALLOWED,
        CONFLICT,
        STALE,
        TOO_LARGE,
        UNSUPPORTED_MEDIA_TYPE,
        PRECONDITION_REQUIRED,
        RATE_LIMITED,
        HEADERS_TOO_LARGE,
        INTERNAL,
        NOT_IMPLEMENTED,
        UNAVAILABLE,
    )
}
"""The code of a problem that names none, by its status."""

ALL = (*DEFAULTS.values(), TOKEN_EXPIRED, TOKEN_REVOKED, IDEMPOTENCY_RUNNING, IDEMPOTENCY_MISMATCH)
"""Every code of core."""


# Words and titles of these depend on the release of Python, or are fixed by the contract.
_WORDS = {
    414: "uri_too_long",
    416: "range_not_satisfiable",
    422: "unprocessable_content",
}
_TITLES = {
    413: "Request Entity Too Large",
    414: "Request-URI Too Long",
    416: "Requested Range Not Satisfiable",
    422: "Unprocessable Entity",
}


class Refusal(Exception):
    """Raised where a call cannot be done: it is answered with a code, its status and a sentence.

    ``members`` are what the code's problem has beside what every problem has, as JSON-able values.
    """

    def __init__(self, code: Code, sentence: str, **members: Any) -> None:
        self.code = code
        self.sentence = sentence
        self.members = members
        super().__init__(sentence)


def default_word(status: int) -> str:
    """Return the word of a problem that names no code; a status that has none here is told by its name."""
    known = DEFAULTS.get(status)
    return known.word if known else _WORDS.get(status) or HTTPStatus(status).name.lower()


def title(status: int) -> str:
    """Return the title of a problem: the phrase of its status."""
    return _TITLES.get(status) or HTTPStatus(status).phrase


def add_problem_code(config: Configurator, code: Code) -> None:
    """Directive: put a code into the catalogue, so that clients can read of it.

    A word that core or another plugin has added is a conflict, which stops the start.
    """
    # There is nothing to do at a request: the introspector keeps what the catalogue is made of.
    register(config, "problem code", code.word, lambda: None, code=code)


def catalogue(registry: WebRegistry) -> list[Code]:
    """Return the codes of core and of every enabled plugin, by status and word."""
    entries = registry.introspector.get_category("problem codes", ())
    codes: list[Code] = [entry["introspectable"]["code"] for entry in entries]
    return sorted(codes, key=lambda code: (code.status, code.word))


def includeme(config: Configurator) -> None:
    """Register the directive, and core's own codes."""
    config.add_directive("add_problem_code", add_problem_code)
    for code in ALL:
        config.add_problem_code(code)
