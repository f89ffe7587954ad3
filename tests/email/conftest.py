"""Providers that fail and a clock that a test moves."""

import pytest

from tests.kit.emails import Clock, Moody, Scripted, forget


@pytest.fixture
def provide(site):
    """A function that lets the site send with a provider that raises these errors first; returns that."""

    def use(*errors, kind=Scripted):
        site.registry.email_provider = kind(site.registry.core_settings, {"errors": errors})
        return site.registry.email_provider

    yield use
    forget(site)


@pytest.fixture
def clock(monkeypatch):
    return Clock(monkeypatch)


@pytest.fixture
def moody(site, clock):
    """A function that lets the site send with a provider that does what a function says; returns that."""

    def use(meet):
        provider = Moody(site.registry.core_settings, {"meet": meet, "clock": clock})
        site.registry.email_provider = provider
        return provider

    yield use
    forget(site)


@pytest.fixture
def hold(site):
    """Make WELCOME a kind of which no second copy may be sent."""
    kinds = site.registry.email_templates._on_ambiguous
    kinds["WELCOME"] = "hold"
    yield
    kinds["WELCOME"] = "resend"
