"""Who belongs together, such as the members of one organization: what plugins say of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from scheduling.config.directives import register

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable

    from pyramid.config import Configurator

    from scheduling.db.session import Session

    Find = Callable[[Session, int, Collection[int]], Iterable[int]]

_FELLOWSHIPS = "fellowships"
"""The category of the introspector that keeps them."""


def add_fellowship(config: Configurator, name: str, find: Find) -> None:
    """Directive: have ``find(db, user_id, others)`` tell which of other users are fellows of a user.

    It returns their ids, by one query. Two fellowships of one name are a conflict, which stops the start.
    """
    register(config, "fellowship", name, lambda: None, find=find)


def fellows_of(db: Session, user_id: int, others: Collection[int]) -> set[int]:
    """Return which of other users belong together with a user, in whichever way; nobody without a plugin."""
    entries = db.registry.introspector.get_category(_FELLOWSHIPS, ())
    finders: list[Find] = [entry["introspectable"]["find"] for entry in entries]
    return {fellow for find in finders for fellow in find(db, user_id, others)}
