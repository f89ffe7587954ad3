"""One transaction a request: committed before the answer leaves, retried when the database says so."""

from __future__ import annotations

import logging
import random
import time
from typing import TYPE_CHECKING

from pyramid.httpexceptions import HTTPUnauthorized
from pyramid.tweens import EXCVIEW
from sqlalchemy import exc

from scheduling.db.deadline import GivenUp
from scheduling.db.session import Session, session_scope
from scheduling.security.tokens import TokenError

if TYPE_CHECKING:
    from collections.abc import Callable

    from pyramid.config import Configurator
    from pyramid.response import Response

    from scheduling.web.registry import WebRegistry
    from scheduling.web.request import Request

logger = logging.getLogger(__name__)

ATTEMPTS = 3
"""How often a request is tried in all."""

_BACKOFF_SECONDS = 0.05

# https://www.postgresql.org/docs/current/mvcc-serialization-failure-handling.html
_SERIALIZATION_FAILURE, _DEADLOCK = "40001", "40P01"


def transaction_tween_factory(
    handler: Callable[[Request], Response], registry: WebRegistry
) -> Callable[[Request], Response]:
    """Run the handler in a unit of work. What it returns is committed, what it raises is undone.

    A row that the database refuses is a 401 where the sender's account is gone.
    """

    def transaction_tween(request: Request) -> Response:
        try:
            return several_attempts(request)
        except exc.IntegrityError:
            _require_senders_account(request)
            raise

    def several_attempts(request: Request) -> Response:
        for attempt in range(1, ATTEMPTS):
            try:
                return attempt_once(request)
            except exc.DBAPIError as error:
                if not is_retryable(error, request.db):
                    raise
                logger.info("Attempt %d failed and is repeated: %s", attempt, type(error.orig).__name__)
            time.sleep(random.uniform(0, _BACKOFF_SECONDS * attempt))  # noqa: S311
        return attempt_once(request)

    def attempt_once(request: Request) -> Response:
        request.db = Session(registry.engine, registry)
        # An attempt that failed may have set its status or headers.
        request.__dict__.pop("response", None)
        try:
            response = handler(request)
            request.db.commit()
        finally:
            request.db.close()
        return response

    return transaction_tween


def _require_senders_account(request: Request) -> None:
    """Raise a 401 if the sender's account is gone.

    A row that belongs to it, of any plugin, is then refused by a foreign key: no conflict but the end of the
    token, which other processes need a second to learn of.
    """
    identity = request.__dict__.get("identity")
    if identity is None:
        return
    try:
        with session_scope(request.registry) as db:
            request.registry.tokens.require_account(db, identity.id)
    except TokenError as error:
        raise HTTPUnauthorized(str(error)) from error


def is_retryable(error: exc.DBAPIError, db: Session) -> bool:
    """Tell whether the same request may be tried again at once.

    The database said that it undid the transaction, or the connection broke before a COMMIT was sent. After
    that nobody knows whether it took effect, and the client has to look.
    """
    if error.connection_invalidated:
        # A server that was silent for so long would only be waited for once more.
        return not db.committing and not isinstance(error.orig, GivenUp)
    return getattr(error.orig, "sqlstate", None) in (_SERIALIZATION_FAILURE, _DEADLOCK)


def includeme(config: Configurator) -> None:
    """Register the tween, below the exception views, so that they see its errors."""
    config.add_tween("scheduling.web.transaction.transaction_tween_factory", under=EXCVIEW)
