"""The Jinja environment of e-mails: what their templates can call, and what becomes of an expression's value.

A value is a text that somebody may have written to deceive the reader. So it is shown on one line, shortened
and without links (see ``untrusted.py``), and in HTML escaped; a filter says what is to be different.
"""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

import jinja2
from markupsafe import Markup, escape

from scheduling.email.moments import format_moment, format_span, same_clock
from scheduling.email.untrusted import shown
from scheduling.times import parse_timestamp, zone_names

if TYPE_CHECKING:
    from jinja2.runtime import Context


def moment(context: Context, timestamp: str) -> Markup:
    """Jinja filter: an RFC 3339 timestamp as people read it, in the reader's time zone."""
    return Markup(format_moment(parse_timestamp(timestamp), _readers_zone(context)))  # noqa: S704


def span(context: Context, start: str, end: str) -> Markup:
    """Jinja function: from when until when, in the reader's time zone; both are RFC 3339 timestamps."""
    text = format_span(parse_timestamp(start), parse_timestamp(end), _readers_zone(context))
    return Markup(text)  # noqa: S704


def span_in(context: Context, zone: str | None, start: str, end: str) -> Markup:
    """Jinja function: the same in another zone, with the zone's name.

    It is an empty text where the reader's clock shows the same, and where nobody knows the zone.
    """
    moments = parse_timestamp(start), parse_timestamp(end)
    if zone not in zone_names() or same_clock(zone, _readers_zone(context), *moments):
        return Markup()
    text = format_span(*moments, zone)
    return Markup(text if zone == "UTC" else f"{text}, {zone.replace('_', ' ')}")  # noqa: S704


def _readers_zone(context: Context) -> str:
    # A file that an operator imports without its context has none.
    return str(context.get("zone", "UTC"))


def as_is(context: Context, text: str) -> Markup:
    """Jinja filter: a text that the plugin itself wrote, such as a link, as it is; escaped in HTML."""
    # In a text or a subject nothing is markup, and nothing may be escaped.
    return escape(text) if str(context.name).endswith(".html") else Markup(text)  # noqa: S704


def up_to(context: Context, text: str, limit: int) -> Markup:
    """Jinja filter: a text that somebody wrote, of which at most ``limit`` characters are shown."""
    return as_is(context, shown(str(text), limit))


def _finalize(context: Context, value: object) -> object:
    """Give what is shown of an expression's value: all but numbers and what a filter has marked is a text."""
    if isinstance(value, int | float | Decimal) or hasattr(value, "__html__"):
        return value
    return as_is(context, shown(str(value)))


def make_environment() -> jinja2.Environment:
    """Return a Jinja environment for e-mails, without a loader."""
    environment = jinja2.Environment(
        # In texts too, where _finalize has marked everything: else what a macro or super() gives, which is
        # written already, would be taken for a value.
        autoescape=True,
        # With a context it is called for literals in an expression too.
        finalize=jinja2.pass_context(_finalize),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        # Files are read once: they change with a release, or with a ConfigMap and the restart that follows.
        auto_reload=False,
    )
    filters = environment.filters
    filters.update({f.__name__: jinja2.pass_context(f) for f in (moment, as_is, up_to)})
    environment.globals.update({f.__name__: jinja2.pass_context(f) for f in (span, span_in)})
    # What is escaped counts as written already, so a template that escapes out of habit would show it whole.
    filters["escape"] = filters["e"] = filters["forceescape"] = str
    # It makes links.
    del filters["urlize"]
    return environment
