"""Tags, by which viewers group calls and clients their modules: the resources right below ``/api/v1``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from scheduling.web.declarations import places
from scheduling.web.openapi.calls import API
from scheduling.web.openapi.docstrings import first_line

if TYPE_CHECKING:
    from collections.abc import Sequence

    from scheduling.web.declarations import Place
    from scheduling.web.openapi.calls import Call
    from scheduling.web.registry import WebRegistry

DISCOVERY = "discovery"
"""The tag of calls that belong to no such resource: they tell about the installation and its API."""


def tag(call: Call) -> str:
    """Return the tag of a call."""
    return _tag(call.declared.place)


def tags(registry: WebRegistry, calls: Sequence[Call]) -> list[dict[str, str]]:
    """Return the tag objects of calls, sorted by name, with what the resources' docstrings say."""
    described = {DISCOVERY: "What this installation is, and this document"}
    for place in places(registry):
        # The first place is the uppermost one: the resource itself, before what is below it.
        described.setdefault(_tag(place), first_line(place.resource))
    names = sorted({tag(call) for call in calls})
    return [{"name": name, **({"description": described[name]} if described[name] else {})} for name in names]


def _tag(place: Place) -> str:
    below = place.parts[len(API) :] if place.parts[: len(API)] == API else place.parts
    return str(below[0]) if below else DISCOVERY
