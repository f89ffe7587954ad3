"""Around every view that changes something: does a call with a known key once, and answers it again.

It comes after traversal, which loads no row, and before the permission check. Without the header it costs a
look into the environ.
"""

from __future__ import annotations

import logging
import uuid
from hashlib import blake2b
from typing import TYPE_CHECKING, Any

import orjson
from pyramid.security import NO_PERMISSION_REQUIRED

from scheduling.web.codes import IDEMPOTENCY_MISMATCH, IDEMPOTENCY_RUNNING
from scheduling.web.idempotency import records
from scheduling.web.idempotency.key import HEADER, METHODS, parse_key
from scheduling.web.problems import problem
from scheduling.web.responses import Answer

if TYPE_CHECKING:
    from collections.abc import Callable

    from pyramid.response import Response

    from scheduling.web.idempotency.records import Record
    from scheduling.web.request import Request

    View = Callable[[Any, Request], Response]

logger = logging.getLogger(__name__)

MAX_BODY_BYTES = 1024 * 1024
"""Larger answers are not kept; those of this project have a few hundred bytes."""

REPLAYED = ("Idempotent-Replayed", "true")

_OTHER_BODY = f"This {HEADER} was sent before with another body or query string; take a new one."
_RUNNING = f"The call that was sent first with this {HEADER} is not finished; try again in a second."


def idempotency_deriver(view: View, info: Any) -> View:
    """View deriver outside of the permission check: honour the header where the view changes something.

    The option ``idempotent=False`` has it ignored, as it must be where an answer holds a secret.
    """
    if info.exception_only or not info.options.get("idempotent", True):
        return view
    is_public = info.options.get("permission") == NO_PERMISSION_REQUIRED

    def view_once(context: Any, request: Request) -> Response:
        sent = request.environ.get("HTTP_IDEMPOTENCY_KEY")
        if sent is None or request.method not in METHODS:
            return view(context, request)
        if request.identity is None and not is_public:
            # A 401, which the permission check answers.
            return view(context, request)
        return _do_once(lambda: view(context, request), request, parse_key(sent))

    return view_once


idempotency_deriver.options = ("idempotent",)  # type: ignore[attr-defined]


def _do_once(call: Callable[[], Response], request: Request, key: str) -> Response:
    body = request.sent_body
    query = request.environ.get("QUERY_STRING", "").encode("latin-1")
    record_id, fingerprint = _record_id(request, key, body), _hash(query, body)
    is_first, record = records.begin(request.db, record_id)
    if record is not None:
        return _replay(request, record, fingerprint)
    if not is_first:
        request.idempotency_outcome = "running"
        wait = [("Retry-After", "1")]
        return problem(request, IDEMPOTENCY_RUNNING.status, _RUNNING, wait, code=IDEMPOTENCY_RUNNING)
    response = call()
    if 200 <= response.status_int < 300:
        # A commit that fails has done nothing.
        request.db.after_commit(lambda: setattr(request, "idempotency_outcome", "done"))
        _keep(request, response, record_id, fingerprint)
    return response


def _record_id(request: Request, key: str, body: bytes) -> uuid.UUID:
    """Return what stands for this key of this sender for this method and path."""
    environ, identity = request.environ, request.identity
    # Nobody knows which of those who send no token is who: what they send has to tell them apart.
    sender = str(identity.id).encode() if identity else _hash(body).bytes
    path = environ.get("SCRIPT_NAME", "") + environ["PATH_INFO"].removesuffix("/")
    return _hash(sender, request.method.encode(), key.encode(), path.encode("latin-1"))


def _hash(*parts: bytes) -> uuid.UUID:
    """Return a hash of some texts, of 128 bits; it is another one where they are divided in another way."""
    hashed = blake2b(digest_size=16)
    for part in parts:
        hashed.update(b"%d:" % len(part) + part)
    return uuid.UUID(bytes=hashed.digest())


def _keep(request: Request, response: Response, record_id: uuid.UUID, fingerprint: uuid.UUID) -> None:
    # A stream can be read once, and may have no end.
    is_stream = not isinstance(response.app_iter, list)
    if is_stream or len(response.body) > MAX_BODY_BYTES:
        logger.warning("An answer is too large to be kept for its %s: %s", HEADER, request.path_text)
        return
    records.keep(
        request.db,
        record_id,
        fingerprint,
        status=response.status_int,
        headers=response.headerlist,
        body=response.body,
    )


def _replay(request: Request, record: Record, fingerprint: uuid.UUID) -> Response:
    if record.fingerprint != fingerprint:
        request.idempotency_outcome = "mismatch"
        return problem(request, IDEMPOTENCY_MISMATCH.status, _OTHER_BODY, code=IDEMPOTENCY_MISMATCH)
    request.idempotency_outcome = "replayed"
    headers = [(name, value) for name, value in orjson.loads(record.headers)]
    return Answer(record.body, status=record.status, headerlist=[*headers, REPLAYED])
