"""The setting of the database: a URL as libpq reads it, and libpq's own variables for what it leaves out.

https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-CONNSTRING-URIS
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, quote, urlencode

import psycopg
import sqlalchemy as sa
from marshmallow import ValidationError, fields
from psycopg.conninfo import conninfo_to_dict

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

REQUIRED_PARAMETERS = {
    "TimeZone": "UTC",
    "DateStyle": "ISO, MDY",
    "IntervalStyle": "postgres",
    "standard_conforming_strings": "on",
    "bytea_output": "hex",
    "extra_float_digits": "1",
    "array_nulls": "on",
    "transform_null_equals": "off",
    "quote_all_identifiers": "off",
    "default_transaction_isolation": "read committed",
}
"""The parameters of a session that change what a statement means or how a value is written, beside the
encoding, with the values on which the code relies."""

LIBPQ_VARIABLES = {
    "host": "PGHOST",
    "port": "PGPORT",
    "dbname": "PGDATABASE",
    "user": "PGUSER",
    "password": "PGPASSWORD",
}
"""The parameters of libpq that a database is named by, with its variables for them."""

_SCHEME = re.compile(r"postgres(ql(\+psycopg)?)?://")
# https://www.postgresql.org/docs/current/app-postgres.html: -c name=value, or --name=value
_OPTION = re.compile(r"(?:-c\s*|--)([\w.-]+)=((?:\\.|\S)*)")

_UNREADABLE = (
    "cannot be read; where the user, the password or the name has one of @ / : ? # %, "
    "it is written as %40 %2F %3A %3F %23 %25"
)


def with_database_url(ini: Mapping[str, str], environ: Mapping[str, str]) -> Mapping[str, str]:
    """Return the environment with a ``DATABASE_URL`` that has what PGHOST and the like say beside it.

    As with libpq, the URL wins over these variables. Without any URL, PGHOST or PGDATABASE name a database.
    """
    given = {part: environ[name] for part, name in LIBPQ_VARIABLES.items() if environ.get(name)}
    url = environ.get("DATABASE_URL") or ini.get("scheduling.database_url", "")
    if not url and not given.keys() & {"host", "dbname"}:
        return environ
    try:
        parts = _read(url.rstrip("\r\n") or "postgresql://")
    except ValidationError:
        # The field says why.
        return environ
    if "password" in given:
        given["password"] = given["password"].rstrip("\r\n")
    return {**environ, "DATABASE_URL": f"postgresql://?{urlencode(given | parts, quote_via=quote)}"}


class DatabaseUrl(fields.Field[sa.URL]):
    """``postgresql://…`` (also spelled ``postgres://``) or ``sqlite:///path``."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **options: Any) -> sa.URL:
        text = str(value)
        if text.startswith("sqlite:"):
            return _sqlite(text)
        parts = _read(text)
        mistakes = list(_mistakes(parts))
        if mistakes:
            raise ValidationError(mistakes)
        return _as_url(parts)


def place(url: sa.URL) -> str:
    """Return which database a URL names, without user and password: ``postgresql db.example.com/name``."""
    if url.drivername == "sqlite":
        return f"sqlite {url.database}"
    host = url.host or url.query.get("host") or "localhost"
    return f"postgresql {host}/{url.database or ''}"


def _sqlite(text: str) -> sa.URL:
    try:
        url = sa.make_url(text)
    except (sa.exc.ArgumentError, ValueError) as error:
        raise ValidationError("is not a database URL") from error
    if url.drivername == "sqlite" and url.database and url.database != ":memory:":
        return url
    raise ValidationError("must be postgresql://user@host/name or sqlite:///path/of/a/file")


def _read(text: str) -> dict[str, str]:
    """Return the parameters of libpq in a URL; raise ``ValidationError``, which has nothing of the URL."""
    if not _SCHEME.match(text):
        raise ValidationError("must be postgresql://user@host/name or sqlite:///path/of/a/file")
    rest = text.partition("://")[2]
    # libpq would take the rest of a password for the host or the name, and messages show those.
    account, at, _ = rest.partition("?")[0].rpartition("@")
    if at and ("@" in account or "/" in account):
        raise ValidationError(_UNREADABLE)
    if sum(name == "host" for name, _ in parse_qsl(rest.partition("?")[2])) > 1:
        raise ValidationError("must name several hosts as in postgresql://user@host:5432,host:5432/name")
    try:
        parts = conninfo_to_dict(f"postgresql://{rest}")
    except psycopg.Error:
        raise ValidationError(f"{_UNREADABLE}; after a ? there are only parameters of libpq") from None
    if not re.fullmatch(r"[\d,]*", str(parts.get("port", ""))):
        raise ValidationError(_UNREADABLE)
    return {name: str(value) for name, value in parts.items()}


def _mistakes(parts: Mapping[str, str]) -> Iterator[str]:
    """Yield what keeps a database with these parameters of libpq from being used, as predicates."""
    for name, value in parts.items():
        if not value.isprintable():
            variable = f" ({LIBPQ_VARIABLES[name]})" if name in LIBPQ_VARIABLES else ""
            yield f"has a line end or another control character in its {name}{variable}"
    if not parts.get("dbname") and "service" not in parts:
        yield "names no database; it ends with /name, or PGDATABASE names it"
    if parts.get("client_encoding", "utf8").lower().replace("-", "") != "utf8":
        yield "has a client_encoding other than UTF8, in which not every name can be written"
    if not re.fullmatch("0*[1-9][0-9]*", parts.get("connect_timeout", "1")):
        yield "has a connect_timeout that is not a number of seconds above 0"
    required = {name.lower(): (name, value) for name, value in REQUIRED_PARAMETERS.items()}
    for option, given in _OPTION.findall(parts.get("options", "")):
        name, value = required.get(option.lower().replace("-", "_"), ("", ""))
        if name and given.replace("\\", "").lower() != value.lower():
            yield f"sets {name} in its options, which has to be {value}"


def _as_url(parts: Mapping[str, str]) -> sa.URL:
    query = dict(parts)
    host, port = query.get("host", ""), query.get("port", "").strip(",") and query["port"]
    # Several hosts, and the folder of a socket, are in SQLAlchemy's URLs only as parameters.
    is_plain = not re.search("[,/]", host + port)
    if is_plain:
        query.pop("host", None)
    if is_plain or not port:
        query.pop("port", None)
    return sa.URL.create(
        "postgresql+psycopg",
        username=query.pop("user", None),
        password=query.pop("password", None),
        database=query.pop("dbname", None),
        host=host or None if is_plain else None,
        port=int(port) if is_plain and port else None,
        query=query,
    )
