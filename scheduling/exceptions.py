"""What every layer may raise: input that is refused, a thing that is missing, a start that fails.

And how an exception of whatever kind is written into a log line or a column.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyramid.httpexceptions import HTTPNotFound

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


def name_and_text(error: BaseException, limit: int | None = None) -> str:
    """Return an exception's class and what it says, as in ``TimeoutError: no answer``.

    Of that at most ``limit`` characters, if a limit is given.
    """
    return f"{type(error).__name__}: {error}"[:limit]


class StartupError(SystemExit):
    """An operator's mistake that keeps the system from starting; the message says what to change.

    It is a ``SystemExit`` so that pserve and every command print the message alone, without a traceback.
    """


class Missing(HTTPNotFound):
    """A thing that does not exist, or that its reader must not learn of; the detail names its kind."""


class Invalid(Exception):
    """Input that is refused with a 400. ``errors`` maps each wrong field to what is wrong with it."""

    def __init__(self, errors: Mapping[str, Sequence[str]], sentence: str | None = None) -> None:
        self.errors = errors
        self.sentence = sentence or "; ".join(
            f"{field} {message}" for field, messages in errors.items() for message in messages
        )
        super().__init__(self.sentence)
