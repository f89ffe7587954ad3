"""Settings: the ini file, overridden by the environment, typed, and checked with one report of all mistakes.

Core's keys are ``scheduling.<name>``, a plugin's ``<plugin>.<name>``. A setting's environment variable is
the one that its field names in ``metadata={"env": …}``, else ``SCHEDULING_<NAME>`` for core and
``SCHEDULING_<PLUGIN>_<NAME>`` for a plugin. An empty environment variable counts as unset.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

import marshmallow
import sqlalchemy as sa
from marshmallow import RAISE, Schema, ValidationError, fields, validate, validates_schema

from scheduling.web.problems import StartupError

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

DEVELOPMENT_SECRET = "development-only-secret-that-is-public"  # noqa: S105
"""The JWT secret of development.ini; everybody can read it, so production refuses it."""

MIN_SECRET_BYTES = 32
"""RFC 7518, 3.2: a key of at least the size of the hash's output."""


WEAK_SECRET = (
    f"must be your own and have at least {MIN_SECRET_BYTES} bytes in production, "
    "such as the output of: openssl rand -base64 48"
)


class DatabaseUrl(fields.Field[sa.URL]):
    """``postgresql://…`` (also spelled ``postgres://``) or ``sqlite:///path``."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **options: Any) -> sa.URL:
        try:
            url = sa.make_url(str(value).replace("postgres://", "postgresql://", 1))
        except (sa.exc.ArgumentError, ValueError) as error:
            raise ValidationError("is not a database URL") from error
        if url.drivername in ("postgresql", "postgresql+psycopg"):
            return url.set(drivername="postgresql+psycopg")
        if url.drivername == "sqlite" and url.database and url.database != ":memory:":
            return url
        raise ValidationError("must be postgresql://user@host/name or sqlite:///path/of/a/file")


class Words(fields.Field[list[str]]):
    """A list of words, separated by spaces, commas or line ends."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **options: Any) -> list[str]:
        return str(value).replace(",", " ").split()


class Secret(fields.String):
    """A secret, without the line end that a file of it may have."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **options: Any) -> str:
        return str(super()._deserialize(value, attr, data, **options)).strip()


class Secrets(fields.Field[list[str]]):
    """Secrets, separated by white space."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **options: Any) -> list[str]:
        return str(value).split()


def _is_secret(value: str) -> bool:
    return value != DEVELOPMENT_SECRET and len(value.encode()) >= MIN_SECRET_BYTES


def _one_line(value: str) -> None:
    if value.splitlines() != [value]:
        raise ValidationError("must be one line, such as: Scheduling <noreply@example.com>")


def _broker(value: str) -> None:
    """Check one URL, or several with semicolons between them, as Kombu takes them."""
    try:
        urls = [urlsplit(url) for url in value.split(";")]
    except ValueError as error:
        raise ValidationError("is not a URL") from error
    schemes = {url.scheme for url in urls}
    if not schemes <= {"memory", "redis", "rediss", "sentinel"}:
        raise ValidationError("must start with redis://, rediss://, sentinel:// or memory://")
    if len(schemes) > 1:
        raise ValidationError("must be URLs of one kind")
    options = [parse_qs(url.query, keep_blank_values=True) for url in urls]
    # Any of these options makes Kombu use TLS, whatever the scheme is.
    encrypted = schemes == {"rediss"} or any(name.startswith("ssl_") for given in options for name in given)
    if encrypted and not all(map(_is_verified, options)):
        raise ValidationError(
            "must have ?ssl_cert_reqs=required in every URL, and no ssl_check_hostname=false, "
            "or nobody knows whom it talks to"
        )


def _is_verified(options: Mapping[str, list[str]]) -> bool:
    required = options.get("ssl_cert_reqs") in (["required"], ["CERT_REQUIRED"])
    return required and not any(given.lower() == "false" for given in options.get("ssl_check_hostname", []))


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
    broker_url = fields.String(load_default="memory://", validate=_broker, metadata={"env": "REDIS_URL"})
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
        load_default="Scheduling <noreply@localhost>", validate=_one_line, metadata={"env": "EMAIL_FROM"}
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


class Configuration:
    """The ini file and the environment, from which sections are read and mistakes are collected."""

    def __init__(self, ini: Mapping[str, str], environ: Mapping[str, str]) -> None:
        self._ini = ini
        self._environ = environ
        self.mistakes: list[str] = []
        """What is wrong, each as a sentence."""
        self.variables: set[str] = set()
        """The environment variables that the sections read, whether they are set or not."""

    def section(self, name: str, schema: Schema) -> dict[str, Any]:
        """Return the valid settings of the keys ``<name>.…``, and remember what is wrong with the others."""
        prefix = f"{name}."
        given = {k.removeprefix(prefix): v for k, v in self._ini.items() if k.startswith(prefix)}
        variables = {key: environment_variable(name, key, item) for key, item in schema.fields.items()}
        environ = self._environ
        self.variables.update(variables.values())
        given |= {key: environ[variable] for key, variable in variables.items() if environ.get(variable)}
        try:
            loaded: dict[str, Any] = schema.load(given)
        except marshmallow.ValidationError as error:
            for key, messages in error.messages_dict.items():
                variable = f" ({variables[key]})" if key in variables else ""
                self.mistakes.append(f"{prefix}{key}{variable} {'; '.join(messages)}")
            valid: Any = error.valid_data
            return dict(valid)
        return loaded

    def claim(self, names: Collection[str]) -> None:
        """Remember as a mistake every key that starts with none of these names and a dot.

        Keys without a dot are Pyramid's, or are there for others to refer to.
        """
        # An add-on of Pyramid's reads keys of its own, whatever they are called.
        if "pyramid.includes" in self._ini:
            return
        for key in sorted(self._ini):
            owner, dot, _ = key.partition(".")
            if dot and owner not in names:
                self.mistakes.append(
                    f"{key} is not a setting: nothing that is installed has the name {owner!r}"
                )

    def failure(self) -> StartupError:
        """Return what to raise where there are mistakes: one message with all of them."""
        return StartupError("\n  - ".join(["Scheduling cannot start:", *self.mistakes]))


def environment_variable(section: str, name: str, item: fields.Field[Any]) -> str:
    """Return the environment variable that overrides a setting."""
    core = section == "scheduling"
    default = f"SCHEDULING_{name}" if core else f"SCHEDULING_{section}_{name}"
    return str(item.metadata.get("env", default.upper()))
