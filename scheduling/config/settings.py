"""Settings: the ini file, overridden by the environment, typed, and checked with one report of all mistakes.

Core's keys are ``scheduling.<name>``, a plugin's ``<plugin>.<name>``. A setting's environment variable is
the one that its field names in ``metadata={"env": …}``, else ``SCHEDULING_<NAME>`` for core and
``SCHEDULING_<PLUGIN>_<NAME>`` for a plugin. An empty environment variable counts as unset.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from dataclasses import fields as dataclass_fields
from typing import TYPE_CHECKING, Any

from marshmallow import RAISE, Schema, ValidationError, fields, validate, validates_schema

from scheduling.config.brand import (
    is_brand_name,
    is_color,
    is_frontend_url,
    is_logo_url,
    is_unsubscribe_url,
)
from scheduling.config.database_url import DatabaseUrl
from scheduling.config.fields import (
    Networks,
    Origins,
    Secret,
    Secrets,
    Words,
    ZoneName,
    is_broker_url,
    is_sender,
)

if TYPE_CHECKING:
    from ipaddress import IPv4Network, IPv6Network

    import sqlalchemy as sa


DEVELOPMENT_SECRET = "development-only-secret-that-is-public"  # noqa: S105
"""The JWT secret of development.ini; everybody can read it, so production refuses it."""


MIN_SECRET_BYTES = 32
"""RFC 7518, 3.2: a key of at least the size of the hash's output."""


WEAK_SECRET = (
    f"must be your own and have at least {MIN_SECRET_BYTES} bytes in production, "
    "such as the output of: openssl rand -base64 48"
)


PLACES = validate.Range(0, 10_000)
"""Of a rate limit; each is remembered as a moment of 8 bytes."""


def _is_secret(value: str) -> bool:
    return value != DEVELOPMENT_SECRET and len(value.encode()) >= MIN_SECRET_BYTES


def setting(item: fields.Field[Any], *, env: str | None = None, secret: bool = False) -> Any:
    """Declare a setting by the marshmallow field that reads it.

    ``env`` is its environment variable, ``SCHEDULING_<NAME>`` by default. A secret is in no ``repr``, and its
    variable may end with a line end.
    """
    if env is not None:
        item.metadata = {**item.metadata, "env": env}
    if secret:
        item.metadata = {**item.metadata, "secret": True}
    return field(repr=not secret, metadata={"setting": item})


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
    port: int = setting(
        fields.Integer(load_default=3000, validate=validate.Range(1, 65535, error="must be from 1 to 65535")),
        env="PORT",
    )
    metrics_port: int = setting(
        fields.Integer(load_default=9100, validate=validate.Range(1, 65535, error="must be from 1 to 65535"))
    )
    plugins: list[str] = setting(Words(load_default=list))
    log_level: str = setting(
        fields.String(
            load_default="",
            validate=validate.OneOf(["DEBUG", "INFO", "WARNING", "ERROR"], error="must be one of: {choices}"),
        )
    )
    database_url: sa.URL = setting(DatabaseUrl(required=True), env="DATABASE_URL", secret=True)
    database_pool_size: int = setting(fields.Integer(load_default=10, validate=validate.Range(1)))
    database_timeout: int = setting(fields.Integer(load_default=10, validate=validate.Range(1)))
    broker_url: str = setting(
        fields.String(load_default="memory://", validate=is_broker_url), env="REDIS_URL", secret=True
    )
    broker_master: str = setting(fields.String(load_default="mymaster"))
    broker_sentinel_username: str = setting(fields.String(load_default=""))
    broker_sentinel_password: str = setting(Secret(load_default=""), secret=True)
    broker_sentinel_plaintext: bool = setting(fields.Boolean(load_default=False))
    jwt_secret: str = setting(Secret(required=True), env="JWT_SECRET", secret=True)
    jwt_secret_fallbacks: list[str] = setting(
        Secrets(load_default=list), env="JWT_SECRET_FALLBACKS", secret=True
    )
    jwt_lifetime: int = setting(fields.Integer(load_default=7 * 86400, validate=validate.Range(60)))
    bcrypt_cost: int = setting(fields.Integer(load_default=10, validate=validate.Range(4, 15)))
    email_change_needs_password: bool = setting(fields.Boolean(load_default=False))
    default_time_zone: str = setting(ZoneName(load_default="UTC"))
    require_if_match: bool = setting(fields.Boolean(load_default=False))
    cors_origins: list[str] = setting(Origins(load_default=list), env="CORS_ORIGINS")
    cors_credentials: bool = setting(fields.Boolean(load_default=False), env="CORS_CREDENTIALS")
    trusted_proxies: list[IPv4Network | IPv6Network] = setting(
        Networks(load_default=list), env="TRUSTED_PROXIES"
    )
    rate_limit_enabled: bool = setting(fields.Boolean(load_default=True), env="RATE_LIMIT_ENABLED")
    rate_limit_failed_logins: int = setting(fields.Integer(load_default=5, validate=PLACES))
    rate_limit_failed_logins_per_address: int = setting(fields.Integer(load_default=50, validate=PLACES))
    rate_limit_registrations: int = setting(fields.Integer(load_default=20, validate=PLACES))
    rate_limit_calls_per_user: int = setting(fields.Integer(load_default=0, validate=PLACES))
    max_body_bytes: int = setting(fields.Integer(load_default=1024 * 1024, validate=validate.Range(1024)))
    outbox_lease: int = setting(fields.Integer(load_default=120, validate=validate.Range(1)))
    outbox_republish: int = setting(fields.Integer(load_default=60, validate=validate.Range(1)))
    outbox_backoff: int = setting(fields.Integer(load_default=10, validate=validate.Range(1)))
    outbox_retention_days: int = setting(fields.Integer(load_default=30, validate=validate.Range(1)))
    email_provider: str = setting(fields.String(load_default="mock"), env="EMAIL_PROVIDER")
    email_api_key: str = setting(fields.String(load_default=""), env="EMAIL_API_KEY", secret=True)
    email_from: str = setting(
        fields.String(load_default="Scheduling <noreply@localhost>", validate=is_sender), env="EMAIL_FROM"
    )
    email_templates: str = setting(fields.String(load_default=""))
    email_brand_name: str = setting(fields.String(load_default="", validate=is_brand_name))
    email_brand_logo: str = setting(fields.String(load_default="", validate=is_logo_url))
    email_brand_color: str = setting(fields.String(load_default="#3f4fc4", validate=is_color))
    email_unsubscribe_url: str = setting(fields.String(load_default="", validate=is_unsubscribe_url))
    frontend_url: str = setting(fields.String(load_default="", validate=is_frontend_url))
    email_rate_limit: int = setting(
        fields.Integer(load_default=30, validate=validate.Range(0)), env="EMAIL_RATE_LIMIT"
    )
    email_retry_attempts: int = setting(
        fields.Integer(load_default=3, validate=validate.Range(1)), env="EMAIL_RETRY_ATTEMPTS"
    )
    email_retry_days: float = setting(
        fields.Float(load_default=5.0, validate=validate.Range(0, 30, min_inclusive=False))
    )

    @property
    def embedded(self) -> bool:
        """True when there is no broker to share, so that the web process delivers its own messages."""
        return self.broker_url.startswith("memory://")


class _Checks(Schema):
    """What is checked of several settings together."""

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
    def _ports_differ(self, data: dict[str, Any], **_: Any) -> None:
        if data.get("port") and data["port"] == data.get("metrics_port"):
            raise ValidationError(
                "must not be the port of the metrics, SCHEDULING_METRICS_PORT as well", "port"
            )

    @validates_schema(skip_on_field_errors=False)
    def _credentials_are_for_somebody(self, data: dict[str, Any], **_: Any) -> None:
        if data.get("cors_credentials") and "*" in data.get("cors_origins", []):
            raise ValidationError(
                "must not be true where every origin is allowed: name the origins in CORS_ORIGINS",
                "cors_credentials",
            )


CoreSchema = _Checks.from_dict(
    {declared.name: declared.metadata["setting"] for declared in dataclass_fields(Settings)},
    name="CoreSchema",
)
"""The schema that reads :class:`Settings`."""
