"""What e-mails show of the operator: name, logo, colour, and where their links lead."""

from __future__ import annotations

from dataclasses import dataclass
from email.utils import parseaddr
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from scheduling.config.settings import Settings


_LINEAR_UP_TO = 0.04045
"""Of a channel of sRGB, whose values are from 0 to 1."""


@dataclass(frozen=True, kw_only=True)
class Brand:
    """What templates are given as ``brand``; a text that is empty is not shown."""

    name: str = ""
    logo: str = ""
    """The URL of an image."""
    color: str = "#3f4fc4"
    """Of the button, as ``#rrggbb``."""
    frontend_url: str = ""
    """Where the button leads, without a slash at the end; without it there is no button."""
    unsubscribe_url: str = ""
    """A page or a ``mailto:`` by which users switch e-mails off."""

    @property
    def text_color(self) -> str:
        """Black or white, whichever can be read better on the colour (WCAG 2.2, contrast ratio)."""
        light = _luminance(self.color)
        return "#ffffff" if 1.05 / (light + 0.05) >= (light + 0.05) / 0.05 else "#000000"


def brand_of(settings: Settings) -> Brand:
    """Return the brand that the settings declare; its name is the sender's where they have none."""
    return Brand(
        name=settings.email_brand_name or parseaddr(settings.email_from)[0],
        logo=settings.email_brand_logo,
        color=settings.email_brand_color,
        frontend_url=settings.frontend_url.rstrip("/"),
        unsubscribe_url=settings.email_unsubscribe_url,
    )


def _luminance(color: str) -> float:
    """Return the relative luminance of a colour, from 0 to 1, as WCAG 2.2 defines it."""
    channels = [int(color[start : start + 2], 16) / 255 for start in (1, 3, 5)]
    red, green, blue = (c / 12.92 if c <= _LINEAR_UP_TO else ((c + 0.055) / 1.055) ** 2.4 for c in channels)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue
