"""What a web process says at its start: to a person in development, to the log in production."""

from __future__ import annotations

import logging
import sys
from importlib.metadata import version
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import plaster

from scheduling.config.database_url import place

if TYPE_CHECKING:
    from scheduling.config.settings import Settings

logger = logging.getLogger(__name__)


def log_what_is_used(settings: Settings) -> None:
    """Log which database, broker and provider this process uses, as the first line of every process.

    A worker that was started in a terminal without DATABASE_URL works on another database, for example.
    """
    logger.info(
        "Database: %s; broker: %s; e-mail: %s",
        place(settings.database_url),
        broker(settings),
        settings.email_provider,
    )


def broker(settings: Settings) -> str:
    """Return where the broker is, without user and password."""
    if settings.embedded:
        return "none: the web process delivers"
    urls = [urlsplit(url) for url in settings.broker_url.split(";")]
    return " ".join(f"{url.scheme}://{url.netloc.rpartition('@')[2]}{url.path}" for url in urls)


def announce(settings: Settings) -> None:
    """Say where it serves, and that no e-mail leaves it where that is so."""
    if settings.app_env != "production":
        sys.stdout.write(f"{greeting(settings)}\n")
        sys.stdout.flush()
        return
    logger.info("Scheduling %s serves on %s:%d", version("scheduling"), settings.host, settings.port)
    if settings.email_provider == "mock":
        logger.warning("No e-mail is sent: EMAIL_PROVIDER is mock, which prints them to this log")


def warn_if_nobody_delivers(settings: Settings, ini: str | None) -> None:
    """Log a warning where messages would wait for ever: no broker, and a server that delivers none itself."""
    server = plaster.get_settings(ini, "server:main").get("use", "") if settings.embedded and ini else ""
    if server and not server.startswith("egg:scheduling"):
        logger.warning(
            "No message is delivered, e-mails neither: the server of %s is %s. Set REDIS_URL and run "
            "`scheduling worker`, or take `use = egg:scheduling`, which is waitress with a worker beside it.",
            ini,
            server,
        )


def greeting(settings: Settings) -> str:
    """Return what a person who started the server wants to know."""
    address = f"http://{settings.host}:{settings.port}"
    database = settings.database_url
    data = database.database if database.drivername == "sqlite" else place(database)
    sender = "this process" if settings.embedded else "worker processes"
    return "\n".join(
        [
            f"Scheduling serves on {address}  (Ctrl-C ends it)",
            f"  try:   curl {address}/health   and then the tour in README.md",
            f"  data:  {data}",
            f"  mail:  {settings.email_provider}, delivered by {sender}",
        ]
    )
