"""Rate limits: how many calls of a kind a client, an account or a user may make in a time.

Which there are is in ``limits``, how one is decided in ``limiter``. It may import ``web`` and what lies
below.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from scheduling.throttling import answers, housekeeping, limits
from scheduling.throttling.limiter import Limiter

if TYPE_CHECKING:
    from pyramid.config import Configurator


def includeme(config: Configurator) -> None:
    """Put the :class:`Limiter` on the registry; register core's limits, the option, the 429, the chore."""
    config.registry.limiter = Limiter(config.registry)
    config.include(limits)
    config.include(answers)
    config.include(housekeeping)
