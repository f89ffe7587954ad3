"""The settings: ``smtp.…`` in the ini file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from marshmallow import RAISE, Schema, ValidationError, fields, validate, validates_schema

SUBMISSION = 587
SUBMISSIONS = 465

_LOCAL = ("localhost", "127.0.0.1", "::1")


def _ascii(value: str) -> None:
    # Mail servers read other letters in different ways, and Python's client sends none.
    if not value.isascii() or "\0" in value:
        raise ValidationError("must be ASCII")


def _file(value: str) -> None:
    if value and not Path(value).is_file():
        raise ValidationError("is not a file")


class SmtpSettings(Schema):
    """How to reach the mail server. The password goes only over TLS, or to this machine."""

    class Meta:
        """A name that is not known is a typing mistake."""

        unknown = RAISE

    error_messages = {"unknown": "is not a setting"}  # noqa: RUF012

    host = fields.String(required=True, metadata={"env": "SMTP_HOST"})
    port = fields.Integer(
        load_default=None,
        validate=validate.Range(1, 65535, error="must be from 1 to 65535"),
        metadata={"env": "SMTP_PORT"},
    )
    """By default 587, or 465 if ``secure``."""

    secure = fields.Boolean(load_default=False, metadata={"env": "SMTP_SECURE"})
    """TLS from the first byte on, instead of STARTTLS."""

    starttls = fields.String(
        load_default="required",
        validate=validate.OneOf(["required", "off"], error="must be one of: {choices}"),
        metadata={"env": "SMTP_STARTTLS"},
    )
    """``off`` is for a relay on the same machine or in the same pod."""

    user = fields.String(load_default="", validate=_ascii, metadata={"env": "SMTP_USER"})
    password = fields.String(load_default="", validate=_ascii, metadata={"env": "SMTP_PASS", "secret": True})
    timeout = fields.Float(
        load_default=20.0,
        validate=validate.Range(0, 300, min_inclusive=False, error="must be from 0 to 300"),
        metadata={"env": "SMTP_TIMEOUT"},
    )
    """How many seconds the server may take for each step until it is ready: TLS, EHLO, the log-in.

    Connecting ends after ten at the latest. The greeting and an e-mail's steps have the times of RFC 5321.
    """

    idle = fields.Float(
        load_default=30.0,
        validate=validate.Range(0, 300, error="must be from 0 to 300"),
        metadata={"env": "SMTP_IDLE"},
    )
    """After how many seconds without an e-mail a connection is closed."""

    ca_file = fields.String(load_default="", validate=_file, metadata={"env": "SMTP_CA_FILE"})
    """Certificates to trust instead of the system's."""

    @validates_schema(skip_on_field_errors=True)
    def _belongs_together(self, data: dict[str, Any], **_: Any) -> None:
        mistakes = {}
        if bool(data["user"]) != bool(data["password"]):
            mistakes["password"] = ["must be set together with the user, or not at all"]
        open_to_readers = data["starttls"] == "off" and not data["secure"] and data["host"] not in _LOCAL
        if open_to_readers and data["password"]:
            mistakes["starttls"] = ["must not be off where a password is sent to another machine"]
        if data["port"] == SUBMISSIONS and not data["secure"]:
            mistakes["secure"] = [f"must be true for port {SUBMISSIONS}"]
        if mistakes:
            raise ValidationError(mistakes)
