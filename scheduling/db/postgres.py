"""A new connection to PostgreSQL: what libpq is told, what the session is checked for, and what it is told.

The operator's own words win: parameters of libpq in the URL or in its variables, and ``options``. What the
code relies on (``REQUIRED_PARAMETERS``) is set in each session, whatever the server or the role says of it.

A pooler, such as PgBouncer in transaction mode, gives a connection another session for each transaction. It
carries over only some parameters; see docs/operators/pgbouncer.md.
"""

from __future__ import annotations

import logging
import os
from typing import TYPE_CHECKING, Any

import psycopg

from scheduling.config.database_url import REQUIRED_PARAMETERS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from scheduling.config.settings import Settings

logger = logging.getLogger(__name__)

Driver = psycopg.Connection[Any]

_CARRIED_BY_POOLERS = ("TimeZone", "DateStyle", "standard_conforming_strings")
"""The parameters that every PgBouncer sets anew in the session that it gives a client, beside the encoding.

https://www.pgbouncer.org/config.html#track_extra_parameters
"""

# pg_settings has each parameter in the spelling of its own; "client" is what came with the connection.
_PARAMETERS = """
SELECT name, setting, source = 'client', pg_backend_pid() FROM pg_settings WHERE name = ANY(%s)
"""

_SET = "SELECT set_config(name, value, false) FROM unnest(%s::text[], %s::text[]) AS wanted (name, value)"


class Unsuitable(psycopg.OperationalError):
    """The database cannot be used as it is; the text is a sentence that says why, and what helps."""


def arguments(settings: Settings) -> dict[str, Any]:
    """Return what libpq is told beside the URL: nothing that the operator has said. Times are in seconds."""
    timeout = settings.database_timeout
    has_several_hosts = "," in settings.database_url.query.get("host", "")
    ours = {
        # libpq takes no less than two seconds, for each host: one that vanished must not keep the next from
        # being asked.
        "connect_timeout": 2 if has_several_hosts else max(2, timeout),
        # A server that vanished from the network answers nothing, not even that: give it up in time.
        "tcp_user_timeout": timeout * 1000,
        "keepalives_idle": timeout,
        "keepalives_interval": 5,
        "keepalives_count": 2,
        "application_name": "scheduling",
    }
    by_variable = {
        option.keyword.decode()
        for option in psycopg.pq.Conninfo.get_defaults()
        if option.envvar and os.environ.get(option.envvar.decode())
    }
    given = settings.database_url.query.keys() | by_variable
    return {"client_encoding": "utf8", **{name: ours[name] for name in ours.keys() - given}}


def _preferred_parameters(settings: Settings) -> dict[str, str]:
    """Return the parameters of a session for time-outs and plans, which an operator may set otherwise."""
    timeout = settings.database_timeout
    return {
        "statement_timeout": f"{timeout * 1000}",
        # A process that hangs, or a machine that is frozen, holds no lock for longer.
        "idle_in_transaction_session_timeout": f"{2 * timeout * 1000}",
        # Every statement has its plan in an index, whatever the values: planning the dashboard anew each time
        # would double its cost. Such a plan is made for the average user, whose few rows would be collected
        # by a bitmap and sorted; somebody has a million. See docs/decisions/generic-plans.md.
        "plan_cache_mode": "force_generic_plan",
        "enable_bitmapscan": "off",
        # No statement runs long enough to be worth it, and a generic plan that was made while many analytics
        # events waited to be folded was compiled at each execution ever after: 35 ms for 0.5.
        "jit": "off",
    }


class SessionSetup:
    """Checks each new connection of an engine and sets its parameters: a listener of ``connect``."""

    def __init__(self, settings: Settings) -> None:
        self._preferred = _preferred_parameters(settings)
        self._has_warned = False

    def __call__(self, driver: Driver, *record: object) -> None:
        """Make a connection ready; raise :class:`Unsuitable`, or what the driver does, and close it then."""
        try:
            driver.autocommit = True
            self._prepare(driver)
        except BaseException:
            driver.close()
            raise

    def _prepare(self, driver: Driver) -> None:
        _require_utf8(driver)
        names = [*REQUIRED_PARAMETERS, *self._preferred]
        found = driver.execute(_PARAMETERS, [names]).fetchall()
        current = {name: value for name, value, *_ in found}
        wrong = {name: value for name, value in REQUIRED_PARAMETERS.items() if current.get(name) != value}
        if driver.info.backend_pid != found[0][-1]:
            _set(driver, {name: wrong.pop(name) for name in _CARRIED_BY_POOLERS if name in wrong})
            _refuse_behind_a_pooler(driver, wrong)
            self._work_behind_a_pooler(driver, current)
        else:
            theirs = {name for name, _, is_theirs, _ in found if is_theirs}
            ours = {name: value for name, value in self._preferred.items() if name in current.keys() - theirs}
            _set(driver, wrong | ours)

    def _work_behind_a_pooler(self, driver: Driver, current: Mapping[str, str]) -> None:
        # A statement that is prepared in one session would be another one, or none, in the next.
        driver.prepare_threshold = None
        lacking = [name for name in self._preferred if name.endswith("timeout") and current[name] == "0"]
        if lacking and not self._has_warned:
            self._has_warned = True
            cures = "; ".join(_cure(driver, name, f"{self._preferred[name]}ms") for name in lacking)
            logger.warning("Behind a pooler nothing limits how long the database works on a call: %s", cures)


def is_pooled(driver: Driver) -> bool:
    """Tell whether a connection that was made ready leads to a pooler: nothing is prepared there."""
    return driver.prepare_threshold is None


def _require_utf8(driver: Driver) -> None:
    encoding = driver.info.parameter_status("server_encoding")
    if encoding != "UTF8":
        raise Unsuitable(
            f"The database {driver.info.dbname!r} has the encoding {encoding}, which cannot hold every name; "
            "it has to be UTF8: createdb --encoding=UTF8 --template=template0 NAME"
        )


def _refuse_behind_a_pooler(driver: Driver, wrong: Mapping[str, str]) -> None:
    """Raise :class:`Unsuitable` for parameters that a pooler does not carry over and that are not right."""
    if wrong:
        cures = "; ".join(_cure(driver, name, value) for name, value in wrong.items())
        raise Unsuitable(f"Behind a pooler the role has to have what Scheduling cannot set itself: {cures}")


def _cure(driver: Driver, name: str, value: str) -> str:
    return f"ALTER ROLE \"{driver.info.user}\" SET {name} = '{value}'"


def _set(driver: Driver, parameters: Mapping[str, str]) -> None:
    if parameters:
        driver.execute(_SET, [list(parameters), list(parameters.values())])
