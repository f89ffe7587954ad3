"""Accounts: registration, log-in, profile, password, and who is an admin."""

from __future__ import annotations

from typing import TYPE_CHECKING

from scheduling.accounts import guesses
from scheduling.accounts.fellows import add_fellowship
from scheduling.accounts.resources import Auth, Users

if TYPE_CHECKING:
    from pyramid.config import Configurator


def includeme(config: Configurator) -> None:
    """Register the resources, the views, the directive and the e-mail."""
    config.include("scheduling.security.passwords")
    config.add_directive("add_fellowship", add_fellowship)
    config.add_api_resource("auth", Auth)
    config.add_api_resource("users", Users)
    config.add_email_template("WELCOME", "accounts/welcome", sample={}, unconfirmed=True)
    config.add_housekeeping("login addresses", guesses.prune, guesses.PRUNE_SECONDS)
    config.scan("scheduling.accounts.views")
