"""The application's registry as far as rate limits know it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from scheduling.web.registry import WebRegistry

if TYPE_CHECKING:
    from scheduling.throttling.limiter import Limiter
    from scheduling.throttling.limits import Registered


class ThrottlingRegistry(WebRegistry):
    """What limits need beside the web layer."""

    limiter: Limiter
    """Lets a call pass, or refuses it."""

    rate_limits: dict[str, Registered]
    """The limits that views can have, by name."""
