"""The names of operations, of which clients make their methods."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from scheduling.web.openapi.calls import snake_case
from scheduling.web.pagination import PageQuery
from scheduling.web.resources import item_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from scheduling.web.openapi.calls import Call

_VERBS = {"GET": "get", "POST": "create", "PUT": "replace", "PATCH": "update", "DELETE": "delete"}


def operation_ids(calls: Sequence[Call]) -> list[str]:
    """Return the id of each call: what its view says, or else a verb and the thing.

    Where two calls would have the same one, the later is named after its method and its whole path. Those of
    other distributions come last, so that no plugin renames a call of ours.
    """
    given: dict[tuple[str, str], str] = {}
    for call in sorted(calls, key=lambda call: (not call.is_bundled, not call.option("operation_id"))):
        name = call.option("operation_id") or _default(call)
        given[call.path, call.method] = name if name not in given.values() else _by_path(call)
    return [given[call.path, call.method] for call in calls]


def _default(call: Call) -> str:
    """Return such as ``list_bookings``, ``create_booking``, ``get_booking`` or ``redrive_booking``."""
    resource = call.declared.place.resource
    thing, name = snake_case(resource.__name__), re.sub(r"\W+", "_", call.name)
    if call.method == "GET":
        return "_".join(filter(None, ("list" if answers_list(call) else "get", name, thing)))
    if name:
        return f"{name}_{thing}"
    item = item_of(resource)
    if call.method == "POST" and item is not None:
        thing = snake_case(item.__name__)
    return f"{_VERBS[call.method]}_{thing}"


def _by_path(call: Call) -> str:
    return re.sub(r"\W+", "_", f"{call.method.lower()}{call.path}").strip("_")


def answers_list(call: Call) -> bool:
    """Tell whether a call answers an array."""
    return has_pages(call) or bool(getattr(call.declared.response, "many", False))


def has_pages(call: Call) -> bool:
    """Tell whether a call answers a list in pages."""
    query = call.option("query")
    return bool(query and issubclass(query, PageQuery))
