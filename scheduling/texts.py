"""Texts that people wrote, on one line and no longer than there is room for."""

from __future__ import annotations

import re

_BREAKS = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+")


def one_line(text: str) -> str:
    """Return a text with a space for each run of line breaks and control characters, none at its ends."""
    return _BREAKS.sub(" ", text).strip()


def shorten(text: str, limit: int) -> str:
    """Return at most ``limit`` characters of a text; where more were cut off, the last one is ``…``."""
    return text if len(text) <= limit else text[: limit - 1].rstrip() + "…"
