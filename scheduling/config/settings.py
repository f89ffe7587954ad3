"""Settings: the ini file, overridden by the environment, typed, and checked with one report of all mistakes.

Core's keys are ``scheduling.<name>``, a plugin's ``<plugin>.<name>``. A setting's environment variable is
the one that its field names in ``metadata={"env": …}``, else ``SCHEDULING_<NAME>`` for core and
``SCHEDULING_<PLUGIN>_<NAME>`` for a plugin. An empty environment variable counts as unset.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
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


def setting(reader: fields.Field[Any], *, env: str = "", secret: bool = False) -> Any:
    """Declare a setting: the marshmallow field that reads it, and its environment variable if it is special.

    The value of a ``secret`` is left out where the settings are printed.
    """
    if env:
        reader.metadata = {**reader.metadata, "env": env}
    return dataclasses.field(repr=not secret, metadata={"reader": reader})


def _number(default: int, least: int = 1, most: int | None = None) -> fields.Integer:
    return fields.Integer(load_default=default, validate=validate.Range(least, most))


def _port(default: int) -> fields.Integer:
    in_range = validate.Range(1, 65535, error="must be from {min} to {max}")
    return fields.Integer(load_default=default, validate=in_range)


@dataclass(frozen=True, kw_only=True)
class Settings:
    """The settings of core, each declared here and nowhere else. Durations are in seconds, sizes in bytes."""

    app_env: str = setting(
        fields.String(
            load_default="development",
            validate=validate.OneOf(["development", "production"], error="must be one of: {choices}"),
        ),
        env="APP_ENV",
    )
    host: str = setting(fields.String(load_default="127.0.0.1"))
    port: int = setting(_port(3000), env="PORT")
    metrics_port: int = setting(_port(9100))
    plugins: list[str] = setting(Words(load_default=list))
    database_url: sa.URL = setting(DatabaseUrl(required=True), env="DATABASE_URL", secret=True)
    database_pool_size: int = setting(_number(10))
    database_timeout: int = setting(_number(10))
    broker_url: str = setting(
        fields.String(load_default="memory://", validate=is_broker_url), env="REDIS_URL", secret=True
    )
    broker_master: str = setting(fields.String(load_default="mymaster"))
    jwt_secret: str = setting(Secret(required=True), env="JWT_SECRET", secret=True)
    jwt_secret_fallbacks: list[str] = setting(
        Secrets(load_default=list), env="JWT_SECRET_FALLBACKS", secret=True
    )
    jwt_lifetime: int = setting(_number(7 * 86400, least=60))
    bcrypt_cost: int = setting(_number(10, least=4, most=15))
    cors_origins: list[str] = setting(Words(load_default=list), env="CORS_ORIGINS")
    cors_credentials: bool = setting(fields.Boolean(load_default=False), env="CORS_CREDENTIALS")
    max_body_bytes: int = setting(_number(1024 * 1024, least=1024))
    outbox_lease: int = setting(_number(120))
    outbox_republish: int = setting(_number(60))
    outbox_backoff: int = setting(_number(10))
    outbox_retention_days: int = setting(_number(30))
    email_provider: str = setting(fields.String(load_default="mock"), env="EMAIL_PROVIDER")
    email_api_key: str = setting(fields.String(load_default=""), env="EMAIL_API_KEY", secret=True)
    email_from: str = setting(
        fields.String(load_default="Scheduling <noreply@localhost>", validate=is_one_line), env="EMAIL_FROM"
    )
    email_templates: str = setting(fields.String(load_default=""))
    email_rate_limit: int = setting(_number(30), env="EMAIL_RATE_LIMIT")
    email_retry_attempts: int = setting(_number(3), env="EMAIL_RETRY_ATTEMPTS")

    @property
    def embedded(self) -> bool:
        """True when there is no broker to share, so that the web process delivers its own messages."""
        return self.broker_url.startswith("memory://")


class _CoreRules(Schema):
    """The rules that concern more than one setting of core, and names that are none."""

    class Meta:
        """A name that is not known is a typing mistake."""

        unknown = RAISE

    error_messages = {"unknown": "is not a setting"}  # noqa: RUF012

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


CoreSchema = _CoreRules.from_dict(
    {declared.name: declared.metadata["reader"] for declared in dataclasses.fields(Settings)},
    name="CoreSchema",
)
"""The marshmallow schema of :class:`Settings`."""
