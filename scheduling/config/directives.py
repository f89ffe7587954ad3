"""What the ``config.add_…`` directives have in common: each registers something under a name of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    from pyramid.config import Configurator


def register(config: Configurator, kind: str, name: str, add: Callable[[], object], **details: Any) -> None:
    """Have Pyramid call ``add`` when it carries out the configuration, and show it under its ``kind``.

    Two registrations of one kind and name are a conflict, which stops the start
    (https://docs.pylonsproject.org/projects/pyramid/en/latest/narr/extconfig.html). ``details`` are for the
    introspector, which tells what is registered.
    """
    introspectable = config.introspectable(f"{kind}s", name, name, kind)
    introspectable.update(details)
    config.action((kind, name), add, introspectables=(introspectable,))
