"""Keeps the document as it is served."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

import orjson

if TYPE_CHECKING:
    from collections.abc import Callable


class OpenApi:
    """The document of one application, made when it is first asked for: all plugins are included by then."""

    def __init__(self, make: Callable[[], dict[str, Any]]) -> None:
        self._make = make

    @cached_property
    def json(self) -> bytes:
        """The document as it is served."""
        return orjson.dumps(self._make())
