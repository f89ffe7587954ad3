"""Which limits there are, and the view option by which a call has one.

``rate_limit``
    the name of a limit that ``config.add_rate_limit`` has registered before the view: each call takes a place
    of it, or is a 429
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from pyramid.exceptions import ConfigurationError
from pyramid.security import NO_PERMISSION_REQUIRED
from pyramid.viewderivers import INGRESS, VIEW

from scheduling.throttling.answers import tell
from scheduling.throttling.limiter import Limit, TooMany
from scheduling.web.client_address import counted_address

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pyramid.config import Configurator

    from scheduling.config.settings import Settings
    from scheduling.web.request import Request

    View = Callable[[Any, Request], Any]

Per = Literal["address", "anonymous", "user"]
"""By what calls are counted: the client's address; the same for calls without a valid token alone; the user
for calls with one alone."""

ACCOUNT, ADDRESS, REGISTRATION, USER = "login", "login-address", "registration", "user"
"""Core's limits: wrong passwords of an account and from an address, registrations, all calls of a user."""

LOGIN_SECONDS, FIRST_WAIT_SECONDS = 900, 60


class Registered(NamedTuple):
    """A limit, and by what calls are counted."""

    limit: Limit
    per: Per


def core_limits(settings: Settings) -> Iterator[tuple[Limit, Per]]:
    """Yield core's limits as the settings have them."""
    failed = settings.rate_limit_failed_logins
    yield Limit(ACCOUNT, failed, LOGIN_SECONDS, FIRST_WAIT_SECONDS), "address"
    yield Limit(ADDRESS, settings.rate_limit_failed_logins_per_address, LOGIN_SECONDS), "address"
    yield Limit(REGISTRATION, settings.rate_limit_registrations, 3600), "address"
    yield Limit(USER, settings.rate_limit_calls_per_user, 60), "user"


def add_rate_limit(config: Configurator, name: str, places: int, seconds: int, per: Per = "address") -> None:
    """Directive: let a view have ``rate_limit=name``, ``places`` calls in any ``seconds``; 0 is no limit."""
    known = config.registry.rate_limits
    if name in known:
        raise ConfigurationError(f"There are two rate limits named {name!r}.")
    # At once, not when the configuration is carried out: views look it up when they are registered.
    known[name] = Registered(_enabled(config.registry.core_settings, Limit(name, places, seconds)), per)


def _enabled(settings: Settings, limit: Limit) -> Limit:
    """Return the limit, or none where limits are switched off."""
    return limit if settings.rate_limit_enabled else Limit(limit.name, 0, limit.seconds)


def rate_limit_deriver(view: View, info: Any) -> View:
    """View deriver around all others: take a place of the user's budget, and of the view's limit.

    It is outside of the transaction of a call with an Idempotency-Key, which is undone where the call fails:
    the place would be free again.
    """
    is_public = info.options.get("permission") == NO_PERMISSION_REQUIRED
    names = [USER] if not is_public or info.options.get("optional_token") else []
    return _limited(view, info, names if _counts_what_was_read(info) else [*names, *_named(info)])


def read_rate_limit_deriver(view: View, info: Any) -> View:
    """View deriver around the view itself: the same, for a call that takes no key, once it could be read.

    What cannot be read does not count: it costs little, and people who register mistype.
    """
    return _limited(view, info, _named(info) if _counts_what_was_read(info) else [])


def _counts_what_was_read(info: Any) -> bool:
    return not info.options.get("idempotent", True)


def _named(info: Any) -> list[str]:
    name: str | None = info.options.get("rate_limit")
    if name is not None and name not in info.registry.rate_limits:
        raise ConfigurationError(
            f"rate_limit={name!r} of {info.original_view!r} is not known; "
            "call config.add_rate_limit before the views are registered."
        )
    return [] if name is None else [name]


def _limited(view: View, info: Any, names: list[str]) -> View:
    limits = [each for each in map(info.registry.rate_limits.__getitem__, names) if each.limit.places]
    if info.exception_only or not limits:
        return view

    def limited_view(context: Any, request: Request) -> Any:
        for limit, per in limits:
            subject = _subject(request, per)
            if subject is not None:
                throttle(request, limit, subject)
        return view(context, request)

    return limited_view


def _subject(request: Request, per: Per) -> str | None:
    """Return what a call is counted by; None where it is not counted."""
    if per == "address":
        return counted_address(request)
    identity = request.identity
    if per == "user":
        return None if identity is None else str(identity.id)
    return counted_address(request) if identity is None else None


def throttle(request: Request, limit: Limit, subject: str) -> None:
    """Take a place for a request, and have its answer tell of it; raise ``TooMany``."""
    limiter = request.registry.limiter
    try:
        place = limiter.take(request.db, limit, limiter.key(limit.name, subject))
    except TooMany as refusal:
        tell(request, limit, 0, refusal.retry_after)
        raise
    tell(request, limit, place.remaining, place.reset)


rate_limit_deriver.options = ("rate_limit",)  # type: ignore[attr-defined]


def includeme(config: Configurator) -> None:
    """Register the directive, core's limits and the derivers."""
    settings = config.registry.core_settings
    config.registry.rate_limits = {
        limit.name: Registered(_enabled(settings, limit), per) for limit, per in core_limits(settings)
    }
    config.add_directive("add_rate_limit", add_rate_limit)
    config.add_view_deriver(rate_limit_deriver, under=INGRESS, over="idempotency_deriver")
    config.add_view_deriver(read_rate_limit_deriver, under="input_deriver", over=VIEW)
