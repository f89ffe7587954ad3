"""The base class of e-mail providers with a JSON API: an HTTP client, time-outs, and what an error means.

It needs httpx2, which the extra of each such provider installs.
"""

from __future__ import annotations

import contextlib
import re
import ssl
import time
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from http.client import responses
from typing import TYPE_CHECKING, Any

import httpx2
import orjson
from marshmallow import RAISE, Schema, ValidationError, fields, validate

from scheduling import tracing
from scheduling.email.provider import Ambiguous, EmailProvider, Misconfigured, Throttled, Unavailable
from scheduling.exceptions import name_and_text
from scheduling.messaging.outcomes import Permanent, Transient
from scheduling.times import utcnow

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from scheduling.config.settings import Settings

CONNECT_SECONDS = 5.0
WRITE_SECONDS = 10.0
LONGEST_WAIT = 24 * 3600.0
"""The most seconds that a provider can ask to wait; hardly an e-mail is of use after that."""

_MAX_ANSWER_BYTES = 64 * 1024
_MAX_REASON_CHARACTERS = 300
# Servers close a connection that is idle for about a minute. The client closes it earlier, or it could send
# an e-mail at the moment when the server does so, and not know whether that was read.
_KEEP_ALIVE_SECONDS = 30.0

# The key, the account, the URL or a proxy is wrong, so that every e-mail would have this answer.
_MISCONFIGURED_STATUSES = frozenset({401, 402, 403, 404, 405, 407})
# Like every 5xx but those below, they say nothing of the one e-mail: everybody is to come later.
_UNAVAILABLE_STATUSES = frozenset({408, 425})
# A gateway had no answer from the server behind it, which may have accepted the e-mail.
_AMBIGUOUS_STATUSES = frozenset({502, 504})


def api_url(default: str) -> fields.String:
    """Return the setting of an API's base URL."""
    return fields.String(load_default=default, validate=_check_url)


def _check_url(value: str) -> None:
    try:
        url = httpx2.URL(value)
    except httpx2.InvalidURL as error:
        raise ValidationError("is not a URL") from error
    local = url.scheme == "http" and url.host in ("127.0.0.1", "::1", "localhost")
    # Every request carries the key.
    if not url.host or not (url.scheme == "https" or local):
        raise ValidationError("must start with https://; http:// is only for this machine")


class HttpSettings(Schema):
    """The settings of a provider with an API, which adds its ``url``."""

    class Meta:
        """A name that is not known is a mistake of the operator's."""

        unknown = RAISE

    error_messages = {"unknown": "is not a setting"}  # noqa: RUF012

    timeout = fields.Float(
        load_default=20.0, validate=validate.Range(0, 30, min_inclusive=False, error="must be from 0 to 30")
    )
    """How many seconds to wait for an answer."""


@dataclass(frozen=True)
class Answer:
    """An API's answer, whatever its status."""

    status: int
    headers: Mapping[str, str]
    """By name, in any case."""

    body: dict[str, Any]
    """The JSON object, empty where the answer has none."""

    def text(self, name: str) -> str:
        """Return a member that should be a text, or an empty one."""
        value = self.body.get(name)
        return value if isinstance(value, str) else ""


class HttpProvider(EmailProvider):
    """A provider with an API: one client for all threads, which keeps connections open between e-mails.

    Its ``settings_schema`` is an :class:`HttpSettings` with a ``url``, its key EMAIL_API_KEY.
    """

    def __init__(self, settings: Settings, options: dict[str, Any]) -> None:
        super().__init__(settings, options)
        self._key = _key(settings)
        self._host = httpx2.URL(options["url"]).netloc.decode()
        self._timeout: float = options["timeout"]
        self._client = httpx2.Client(
            base_url=options["url"],
            headers={"User-Agent": "scheduling", "Accept": "application/json"}
            | self.authorization(self._key),
            timeout=httpx2.Timeout(
                self._timeout,
                connect=min(CONNECT_SECONDS, self._timeout),
                write=min(WRITE_SECONDS, self._timeout),
                pool=CONNECT_SECONDS,
            ),
            limits=httpx2.Limits(keepalive_expiry=_KEEP_ALIVE_SECONDS),
        )

    def authorization(self, key: str) -> dict[str, str]:
        """Return the header that authenticates requests with the key."""
        return {"Authorization": f"Bearer {key}"}

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def post(self, path: str, body: Any, headers: Mapping[str, str] | None = None) -> Answer:
        """Send JSON by POST and return the answer, whatever its status.

        Raises ``Unavailable`` if the request did not leave, ``Ambiguous`` if it did and nobody answered.
        """
        try:
            content = orjson.dumps(body)
        except orjson.JSONEncodeError:
            raise Permanent("the e-mail has characters that do not exist") from None
        sent = {"Content-Type": "application/json", **(headers or {})}
        return self._exchange("POST", path, sent, content, Ambiguous)

    def get(self, path: str) -> Answer:
        """Return the answer to a GET, whatever its status; raise ``Unavailable`` if nobody answered."""
        # Asked before the work starts: a connection that stayed open could end up in two processes.
        return self._exchange("GET", path, {"Connection": "close"}, None, Unavailable)

    def refusal(self, answer: Answer, reason: str, otherwise: type[Exception] = Permanent) -> Exception:
        """Return the exception to raise for an answer that is an error, by its status.

        ``reason`` is what the API said. Where only this one e-mail is at fault, it is an ``otherwise``.
        """
        words = " ".join(reason.split()).replace(self._key, "(the key)")[:_MAX_REASON_CHARACTERS]
        text = f"{self._host} answered {answer.status} {words or responses.get(answer.status, '')}"
        wait = retry_after(answer, utcnow())
        if answer.status in _AMBIGUOUS_STATUSES or answer.status < HTTPStatus.MULTIPLE_CHOICES:
            return Ambiguous(text, wait)
        if answer.status == HTTPStatus.TOO_MANY_REQUESTS:
            return Throttled(text, wait)
        if answer.status in _UNAVAILABLE_STATUSES or answer.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            return Unavailable(text, wait)
        if answer.status in _MISCONFIGURED_STATUSES or answer.status < HTTPStatus.BAD_REQUEST:
            return Misconfigured(text)
        return otherwise(text)

    def _exchange(
        self,
        method: str,
        path: str,
        headers: dict[str, str],
        content: bytes | None,
        unanswered: type[Transient],
    ) -> Answer:
        deadline = time.monotonic() + CONNECT_SECONDS + WRITE_SECONDS + self._timeout
        span = tracing.current()
        traced = headers | ({"traceparent": str(span)} if span else {})
        try:
            with self._client.stream(method, path, headers=traced, content=content) as response:
                return Answer(response.status_code, response.headers, _read(response, deadline))
        except (httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.PoolTimeout, httpx2.WriteTimeout) as error:
            reason = f"{self._host} cannot be reached: {name_and_text(error, _MAX_REASON_CHARACTERS)}"
            raise (Misconfigured if _is_untrusted(error) else Unavailable)(reason) from error
        except httpx2.RequestError as error:
            raise unanswered(
                f"{self._host} did not answer: {name_and_text(error, _MAX_REASON_CHARACTERS)}"
            ) from error


def retry_after(answer: Answer, now: datetime) -> float | None:
    """Read how many seconds to wait: a number or a date (RFC 9110, 10.2.3), else when the rate limit resets.

    ``RateLimit-Reset`` counts seconds, ``X-RateLimit-Reset`` is a Unix time.
    """
    wait = _seconds(answer.headers.get("Retry-After", ""), now)
    if wait is None and answer.status == HTTPStatus.TOO_MANY_REQUESTS:
        wait = _seconds(answer.headers.get("RateLimit-Reset", ""), now)
        moment = answer.headers.get("X-RateLimit-Reset", "")
        if wait is None and _is_number(moment):
            wait = float(moment) - now.timestamp()
    return None if wait is None else min(max(wait, 0.0), LONGEST_WAIT)


def _seconds(value: str, now: datetime) -> float | None:
    if _is_number(value):
        return float(value)
    try:
        date = parsedate_to_datetime(value)
    except ValueError:
        return None
    return (date if date.tzinfo else date.replace(tzinfo=now.tzinfo)).timestamp() - now.timestamp()


def _is_number(value: str) -> bool:
    return re.fullmatch(r"[0-9]{1,12}(\.[0-9]+)?", value) is not None


def _key(settings: Settings) -> str:
    """Return EMAIL_API_KEY without the line end of a secret's file; raise ``Misconfigured`` if it is none."""
    key = settings.email_api_key.strip()
    if not key:
        raise Misconfigured("it needs a key: set EMAIL_API_KEY (scheduling.email_api_key)")
    if not re.fullmatch("[!-~]+", key):
        raise Misconfigured("EMAIL_API_KEY has a space or another character that no key has")
    return key


def _read(response: httpx2.Response, deadline: float) -> dict[str, Any]:
    """Read the JSON object of an answer; raise ``ReadError`` for one that is too long or takes too long."""
    text = bytearray()
    for chunk in response.iter_bytes():
        text += chunk
        if len(text) > _MAX_ANSWER_BYTES or time.monotonic() > deadline:
            raise httpx2.ReadError("the answer does not end")
    body = None
    with contextlib.suppress(orjson.JSONDecodeError):
        body = orjson.loads(text)
    return body if isinstance(body, dict) else {}


def _is_untrusted(error: BaseException | None) -> bool:
    """Tell whether a certificate that could not be verified is behind an error."""
    while error is not None:
        if isinstance(error, ssl.SSLCertVerificationError):
            return True
        error = error.__cause__ or error.__context__
    return False
