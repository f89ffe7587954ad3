"""Settings: the ini file, overridden by the environment, typed, and checked with one report of all mistakes.

Core's keys are ``scheduling.<name>``, a plugin's ``<plugin>.<name>``. A setting's environment variable is
the one that its field names in ``metadata={"env": …}``, else ``SCHEDULING_<NAME>`` for core and
``SCHEDULING_<PLUGIN>_<NAME>`` for a plugin. An empty environment variable counts as unset.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from marshmallow import RAISE, Schema, ValidationError, fields, validate, validates_schema

from scheduling.config.fields import DatabaseUrl, Secret, Secrets, Words, is_broker_url, is_one_line

if TYPE_CHECKING:
    import sqlalchemy as sa


DEVELOPMENT_SECRET = "development-only-secret-that-is-public"  # noqa: S105
"""The JWT secret of development.ini; everybody can read it, so production refuses it."""


MIN_SECRET_BYTES = 32
"""RFC 7518, 3.2: a key of at least the size of the hash's output."""


WEAK_SECRET = (
    f"must be your own and have at least {MIN_SECRET_BYTES} bytes in production, "
    "such as the output of: openssl rand -base64 48"
)


def _is_secret(value: str) -> bool:
    return value != DEVELOPMENT_SECRET and len(value.encode()) >= MIN_SECRET_BYTES


class CoreSchema(Schema):
    """The settings of core, each with its default."""

    class Meta:
        """A name that is not known is a typing mistake."""

        unknown = RAISE

    error_messages = {"unknown": "is not a setting"}  # noqa: RUF012

    app_env = fields.String(
        load_default="development",
        validate=validate.OneOf(["development", "production"], error="must be one of: {choices}"),
        metadata={"env": "APP_ENV"},
    )
    host = fields.String(load_default="127.0.0.1")
    port = fields.Integer(
        load_default=3000,
        validate=validate.Range(1, 65535, error="must be from 1 to 65535"),
        metadata={"env": "PORT"},
    )
    metrics_port = fields.Integer(
        load_default=9100, validate=validate.Range(1, 65535, error="must be from 1 to 65535")
    )
    plugins = Words(load_default=list)
    database_url = DatabaseUrl(required=True, metadata={"env": "DATABASE_URL"})
    database_pool_size = fields.Integer(load_default=10, validate=validate.Range(1))
    database_timeout = fields.Integer(load_default=10, validate=validate.Range(1))
    broker_url = fields.String(
        load_default="memory://", validate=is_broker_url, metadata={"env": "REDIS_URL"}
    )
    broker_master = fields.String(load_default="mymaster")
    jwt_secret = Secret(required=True, metadata={"env": "JWT_SECRET"})
    jwt_secret_fallbacks = Secrets(load_default=list, metadata={"env": "JWT_SECRET_FALLBACKS"})
    jwt_lifetime = fields.Integer(load_default=7 * 86400, validate=validate.Range(60))
    bcrypt_cost = fields.Integer(load_default=10, validate=validate.Range(4, 15))
    cors_origins = Words(load_default=list, metadata={"env": "CORS_ORIGINS"})
    cors_credentials = fields.Boolean(load_default=False, metadata={"env": "CORS_CREDENTIALS"})
    max_body_bytes = fields.Integer(load_default=1024 * 1024, validate=validate.Range(1024))
    outbox_lease = fields.Integer(load_default=120, validate=validate.Range(1))
    outbox_republish = fields.Integer(load_default=60, validate=validate.Range(1))
    outbox_backoff = fields.Integer(load_default=10, validate=validate.Range(1))
    outbox_retention_days = fields.Integer(load_default=30, validate=validate.Range(1))
    email_provider = fields.String(load_default="mock", metadata={"env": "EMAIL_PROVIDER"})
    email_api_key = fields.String(load_default="", metadata={"env": "EMAIL_API_KEY"})
    email_from = fields.String(
        load_default="Scheduling <noreply@localhost>", validate=is_one_line, metadata={"env": "EMAIL_FROM"}
    )
    email_templates = fields.String(load_default="")
    email_rate_limit = fields.Integer(
        load_default=30, validate=validate.Range(1), metadata={"env": "EMAIL_RATE_LIMIT"}
    )
    email_retry_attempts = fields.Integer(
        load_default=3, validate=validate.Range(1), metadata={"env": "EMAIL_RETRY_ATTEMPTS"}
    )

    # Not only when all else is right: one report has every mistake.
    @validates_schema(skip_on_field_errors=False)
    def _secrets_are_secret(self, data: dict[str, Any], **_: Any) -> None:
        if data.get("app_env") != "production":
            return
        given = {
            "jwt_secret": [data["jwt_secret"]] if "jwt_secret" in data else [],
            "jwt_secret_fallbacks": data.get("jwt_secret_fallbacks", []),
        }
        weak = [name for name, secrets in given.items() if not all(map(_is_secret, secrets))]
        if weak:
            raise ValidationError({name: [WEAK_SECRET] for name in weak})

    @validates_schema(skip_on_field_errors=False)
    def _credentials_are_for_somebody(self, data: dict[str, Any], **_: Any) -> None:
        if data.get("cors_credentials") and "*" in data.get("cors_origins", []):
            raise ValidationError(
                "must not be true where every origin is allowed: name the origins in CORS_ORIGINS",
                "cors_credentials",
            )


@dataclass(frozen=True, kw_only=True)
class Settings:
    """The settings of core. Durations are in seconds, sizes in bytes."""

    app_env: str
    host: str
    port: int
    metrics_port: int
    plugins: list[str]
    database_url: sa.URL = field(repr=False)
    database_pool_size: int
    database_timeout: int
    broker_url: str = field(repr=False)
    broker_master: str
    jwt_secret: str = field(repr=False)
    jwt_secret_fallbacks: list[str] = field(repr=False)
    jwt_lifetime: int
    bcrypt_cost: int
    cors_origins: list[str]
    cors_credentials: bool
    max_body_bytes: int
    outbox_lease: int
    outbox_republish: int
    outbox_backoff: int
    outbox_retention_days: int
    email_provider: str
    email_api_key: str = field(repr=False)
    email_from: str
    email_templates: str
    email_rate_limit: int
    email_retry_attempts: int

    @property
    def embedded(self) -> bool:
        """True when there is no broker to share, so that the web process delivers its own messages."""
        return self.broker_url.startswith("memory://")
