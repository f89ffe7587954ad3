"""Housekeeping: what every worker does from time to time, beside delivering messages."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from pyramid.config import Configurator
    from pyramid.registry import Registry


@dataclass(frozen=True)
class Chore:
    """Something to be done again and again."""

    work: Callable[[Registry], bool | None]
    """Does a bounded part of it, and returns True where there is more to do."""

    seconds: float
    """How long to wait where there is no more."""


def add_housekeeping(
    config: Configurator, name: str, work: Callable[[Registry], bool | None], seconds: float
) -> None:
    """Directive: call ``work(registry)`` in every worker, and again after ``seconds``.

    Where it returns True there is more to do, and it is called again at once. Where it raises, that is
    logged and it is called again after a while. Several workers may call it at the same time; what must
    not be done twice takes a lock of its own.
    """
    introspectable = config.introspectable("housekeeping", name, name, "chore")
    config.action(
        ("housekeeping", name),
        lambda: config.registry.housekeeping.__setitem__(name, Chore(work, seconds)),
        introspectables=(introspectable,),
    )


def includeme(config: Configurator) -> None:
    """Register the directive."""
    config.registry.housekeeping = {}
    config.add_directive("add_housekeeping", add_housekeeping)
