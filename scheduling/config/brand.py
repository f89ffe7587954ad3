"""The checks of the settings that say what e-mails show of the operator, and where their links lead."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from marshmallow import ValidationError

# What may stand in a URL (RFC 3986, 2), so that it needs no quoting in HTML and in a header field.
_URL_CHARACTERS = re.compile(r"[A-Za-z0-9._~:/?#\[\]@!$&'()*+,;=%-]*")
_MAX_NAME = 60
_MAX_URL = 500


def is_color(value: str) -> None:
    """Raise ``ValidationError`` for what is not a colour such as ``#3f4fc4``."""
    if not re.fullmatch("#[0-9A-Fa-f]{6}", value):
        raise ValidationError("must be a colour of six hexadecimal digits, such as #3f4fc4")


def is_brand_name(value: str) -> None:
    """Raise ``ValidationError`` for a name that is more than one short line."""
    if not value.isprintable() or len(value) > _MAX_NAME:
        raise ValidationError(f"must be one line of at most {_MAX_NAME} characters")


def is_frontend_url(value: str) -> None:
    """Raise ``ValidationError`` for what is not the URL of a site, to which paths can be added."""
    if value and (not _has_host(value, "https", "http") or "?" in value):
        raise ValidationError("must be a URL such as https://app.example.com, without a query")


def is_logo_url(value: str) -> None:
    """Raise ``ValidationError`` for what is not the URL of an image that mail clients load."""
    if value and not _has_host(value, "https"):
        raise ValidationError("must be a URL such as https://www.example.com/logo.png")


def is_unsubscribe_url(value: str) -> None:
    """Raise ``ValidationError`` for what is neither the URL of a page nor ``mailto:`` with an address."""
    is_mailto = re.fullmatch(r"mailto:[^@?]+@[^@?]+(\?.*)?", value) and _URL_CHARACTERS.fullmatch(value)
    if value and not (is_mailto or _has_host(value, "https")):
        raise ValidationError(
            "must be a URL such as https://app.example.com/preferences or mailto:unsubscribe@example.com"
        )


def _has_host(url: str, *schemes: str) -> bool:
    try:
        parts = urlsplit(url)
        well_formed = bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False
    return (
        well_formed
        and parts.scheme in schemes
        and len(url) <= _MAX_URL
        and _URL_CHARACTERS.fullmatch(url) is not None
        # A password would go out with every e-mail.
        and "@" not in parts.netloc
    )
