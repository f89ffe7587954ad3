"""Marshmallow fields and the base schema with which every body and query string is read."""

from __future__ import annotations

import re
import uuid
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar
from unicodedata import category

import orjson
from marshmallow import EXCLUDE, RAISE, Schema, ValidationError, fields, post_load, pre_load, validate

import scheduling.config.fields  # noqa: F401 - it words the messages of every marshmallow field
from scheduling.addresses import MAX_CHARACTERS, normal_form
from scheduling.db.metadata import MAX_ID
from scheduling.texts import one_line
from scheduling.times import parse_timestamp

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

_ID = re.compile(r"[1-9][0-9]{0,18}", re.ASCII)
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.ASCII | re.IGNORECASE)
# 2027-04-01T09:00:00+02:00 as it arrives when nobody has escaped the plus.
_SPACE_FOR_PLUS = re.compile(r":\d\d(?:\.\d+)? \d\d:\d\d$", re.ASCII)
_CONTROL_OR_SPACE = re.compile(r"[\x00-\x20\x7f]")

# Categories of Unicode without a glyph of their own: control, format, spaces, combining marks.
_NO_GLYPH = frozenset({"Cc", "Cf", "Zs", "Zl", "Zp", "Mn"})

_BLANK_LETTERS = frozenset("\u115f\u1160\u2800\u3164\uffa0")
"""Letters and a symbol of Unicode that show nothing: Hangul fillers and the empty Braille cell."""


def shows_something(text: str) -> bool:
    """Tell whether a text has a character that can be seen; U+200B, U+FEFF and their like cannot."""
    return any(category(letter) not in _NO_GLYPH and letter not in _BLANK_LETTERS for letter in text)


def parse_id(text: str) -> int | None:
    """Read an id of a path: a positive 64-bit integer in its canonical decimal form, or None."""
    if _ID.fullmatch(text) is None:
        return None
    number = int(text)
    return number if number <= MAX_ID else None


def parse_uuid(text: str) -> uuid.UUID | None:
    """Read a UUID of a path in its usual form with hyphens (RFC 9562, 4), or None."""
    return uuid.UUID(text) if _UUID.fullmatch(text) else None


class Text(fields.String):
    """A string, trimmed (see :class:`RequestSchema`), of at most ``limit`` characters."""

    json_schema: ClassVar = {"minLength": 1}
    """What the OpenAPI document says of a field, beside what follows from marshmallow's own classes."""

    default_error_messages = {"invalid": "must be a string", "invalid_utf8": "must be UTF-8"}  # noqa: RUF012

    def __init__(self, limit: int = 255, **options: Any) -> None:
        super().__init__(
            validate=validate.Length(max=limit, error="must have at most {max} characters"), **options
        )


class OneLine(Text):
    """A name or a title: line breaks and control characters in it are spaces."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **options: Any) -> str:
        line = one_line(super()._deserialize(value, attr, data, **options))
        if not line:
            raise self.make_error("required")
        return line


class Secret(fields.String):
    """A password: any string, never trimmed."""

    json_schema: ClassVar = {"format": "password"}
    default_error_messages = {"invalid": "must be a string"}  # noqa: RUF012


class EmailAddress(fields.Email):
    """An e-mail address of at most 254 characters (RFC 5321, 4.5.3.1.3), as it was typed if it is ASCII."""

    json_schema: ClassVar = {"maxLength": MAX_CHARACTERS}
    default_error_messages = {"invalid": "must be a valid e-mail address"}  # noqa: RUF012

    def _deserialize(self, value: Any, attr: str | None, data: Any, **options: Any) -> str:
        address: str = super()._deserialize(value, attr, data, **options)
        # The release before, which may run beside this one, finds letters beyond ASCII in lower case alone.
        address = address if address.isascii() else address.lower()
        # A quoted local part may hold control characters and spaces; no mailbox in use needs them.
        if len(address) > MAX_CHARACTERS or _CONTROL_OR_SPACE.search(address) or normal_form(address) is None:
            raise self.make_error("invalid")
        return address


class Moment(fields.Field["datetime"]):
    """An RFC 3339 timestamp, read as an aware moment in UTC with milliseconds."""

    json_schema: ClassVar = {"type": "string", "format": "date-time"}
    default_error_messages = {  # noqa: RUF012
        "invalid": "must be an RFC 3339 timestamp such as 2027-04-01T09:00:00Z",
        "unescaped": "must be an RFC 3339 timestamp such as 2027-04-01T09:00:00Z; "
        "in a query string + means a space, so write %2B for the + of an offset",
    }

    def _deserialize(self, value: Any, attr: str | None, data: Any, **options: Any) -> datetime:
        try:
            return parse_timestamp(value)
        except (TypeError, ValueError) as error:
            unescaped = isinstance(value, str) and _SPACE_FOR_PLUS.search(value)
            raise self.make_error("unescaped" if unescaped else "invalid") from error


class WholeNumber(fields.Integer):
    """A whole number of a query string, in decimal digits and nothing else."""

    default_error_messages = {"invalid": "must be a whole number", "too_large": "is too large"}  # noqa: RUF012

    def _validated(self, value: Any) -> int:
        if not (isinstance(value, str) and value.isascii() and value.isdigit() and len(value) <= 18):
            raise self.make_error("invalid")
        return int(value)


class Version(fields.Integer):
    """The version of a row, in an answer."""

    def __init__(self, **options: Any) -> None:
        told = {"description": 'Grows with every change; for `If-Match`, as in `"1"`.', "examples": [1]}
        super().__init__(metadata=told, **options)


class Choice(fields.String):
    """One of a few words."""

    default_error_messages = {"invalid": "must be a string"}  # noqa: RUF012

    def __init__(self, *choices: str, **options: Any) -> None:
        super().__init__(validate=validate.OneOf(choices, error="must be one of: {choices}"), **options)


class Flag(fields.Boolean):
    """True or false, and nothing that other languages take for it."""

    default_error_messages = {"invalid": "must be true or false"}  # noqa: RUF012

    def _deserialize(self, value: Any, attr: str | None, data: Any, **options: Any) -> bool:
        if not isinstance(value, bool):
            raise self.make_error("invalid")
        return value


class JsonObject(fields.Field[dict[str, Any]]):
    """A JSON object of at most ``limit`` bytes when it is written compactly."""

    json_schema: ClassVar = {"type": "object"}
    default_error_messages = {  # noqa: RUF012
        "invalid": "must be a JSON object",
        "too_deep": "is nested too deeply",
        "too_large": "must have at most {limit} bytes as JSON",
    }

    def __init__(self, limit: int = 16 * 1024, **options: Any) -> None:
        self.limit = limit
        super().__init__(**options)

    def _deserialize(self, value: Any, attr: str | None, data: Any, **options: Any) -> dict[str, Any]:
        if not isinstance(value, dict):
            raise self.make_error("invalid")
        try:
            # orjson writes 254 levels, and some are needed for what an answer puts around the object.
            size = len(orjson.dumps([[[[value]]]])) - len("[[[[]]]]")
        except orjson.JSONEncodeError as error:
            raise self.make_error("too_deep") from error
        if size > self.limit:
            raise self.make_error("too_large", limit=self.limit)
        return value


class RequestSchema(Schema):
    """What a request may say: unknown members are ignored, and a blank or null member counts as missing.

    Blank is also what shows nothing, such as a zero-width space, but not in a password. A field with
    ``allow_none=True`` is given the null, by which a change takes away what a thing need not have.

    ``synonyms`` maps other names that a client may use for a member to the member's own name.
    """

    synonyms: ClassVar[Mapping[str, str]] = {}

    class Meta:
        """Marshmallow's options."""

        unknown = EXCLUDE

    @pre_load
    def _normalise(self, data: dict[str, Any], **_: Any) -> dict[str, Any]:
        trimmed = {name: self._trim(name, value) for name, value in data.items()}
        nulls = {name: None for name in self._nullable if name in data and data[name] is None}
        sent = nulls | {name: value for name, value in trimmed.items() if value is not None}
        return {name: sent[other] for other, name in self.synonyms.items() if other in sent} | sent

    def _trim(self, name: str, value: Any) -> Any:
        if not isinstance(value, str):
            return value
        bare = value.strip()
        if name in self._secrets:
            return value if bare else None
        return bare if shows_something(bare) else None

    @cached_property
    def _nullable(self) -> set[str]:
        return {f.data_key or name for name, f in self.fields.items() if f.allow_none}

    @cached_property
    def _secrets(self) -> set[str]:
        return {f.data_key or name for name, f in self.fields.items() if isinstance(f, Secret)}


class PatchSchema(RequestSchema):
    """A partial update: at least one of the schema's members must be there.

    A secret does not count, nor what says how to change and not what: those are ``options``.
    """

    options: ClassVar[tuple[str, ...]] = ()

    @post_load
    def _not_empty(self, data: dict[str, Any], **_: Any) -> dict[str, Any]:
        changing = [
            name
            for name, field in self.fields.items()
            if name not in self.options and not isinstance(field, Secret)
        ]
        if not data.keys() & changing:
            raise ValidationError(f"send at least one of: {', '.join(changing)}")
        return data


class StrictSchema(Schema):
    """An object inside of a body, in which a member that is not known is a mistake."""

    class Meta:
        """Marshmallow's options."""

        unknown = RAISE

    error_messages = {"type": "must be an object", "unknown": "is not known here"}  # noqa: RUF012


class AnswerSchema(Schema):
    """What an answer says: it has every member that is listed here and no other, unless it is ``optional``.

    It describes and never dumps: views return rows and mappings, which become JSON directly. The test kit
    compares the two. ``allow_none=True`` is for a member that may be null.
    """

    optional: ClassVar[tuple[str, ...]] = ()

    class Meta:
        """Marshmallow's options."""

        unknown = RAISE

    def on_bind_field(self, field_name: str, field_obj: fields.Field[Any]) -> None:
        """Make a member required."""
        field_obj.required = field_name not in self.optional


class Done(AnswerSchema):
    """The answer of a call that only tells what it has done."""

    message = fields.String(
        metadata={"description": "What was done, in words that may change.", "examples": ["Done"]}
    )


class Problem(AnswerSchema):
    """A problem (RFC 9457): what every answer from 400 on is, in ``application/problem+json``."""

    optional = ("errors", "path", "method", "request_id")

    type = fields.Constant("about:blank")
    title = fields.String()
    status = fields.Integer()
    code = fields.String()
    detail = fields.String()
    error = fields.String()
    errors = fields.Dict(keys=fields.String(), values=fields.List(fields.String()))
    path = fields.String()
    method = fields.String()
    request_id = fields.String()
