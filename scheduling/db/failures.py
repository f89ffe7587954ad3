"""What a database error means: whether it passes by itself, and what may be said of it."""

from __future__ import annotations

from sqlalchemy import exc

from scheduling.db.postgres import Unsuitable

# https://www.postgresql.org/docs/current/errcodes-appendix.html
_READ_ONLY = "25006"

_USELESS_SESSION = (
    _READ_ONLY,  # the server only reads: it is a standby, or was demoted to one
    "53",  # insufficient resources: memory, disk, connections
    "57P",  # operator intervention: shutdown, crash, start, the database dropped
    "58",  # the system: a disk that fails
)
"""Beginnings of SQLSTATEs after which a session does no work any more, or none for a while."""

_PASSING = (*_USELESS_SESSION, "08", "57", "55P03")
"""What passes by itself: those, broken connections, statements that took too long, locks that others have."""

_TOO_MANY_CONNECTIONS = (
    "too many connections",
    "too many clients",
    "remaining connection slots are reserved",
    "no more connections allowed",
)


_PASSING_SQLITE = ("locked", "unable to open", "disk I/O error", "disk is full")


def is_unavailable(error: exc.DBAPIError) -> bool:
    """Tell whether a database error means that the database is away or too busy, not that we erred."""
    if error.connection_invalidated or isinstance(error, exc.InterfaceError):
        return True
    sqlstate = getattr(error.orig, "sqlstate", None)
    if sqlstate is not None:
        return str(sqlstate).startswith(_PASSING)
    if not isinstance(error, exc.OperationalError):
        return False
    if type(error.orig).__module__.startswith("sqlite3"):
        return any(text in str(error.orig) for text in _PASSING_SQLITE)
    return True


def is_session_useless(error: BaseException) -> bool:
    """Tell whether the session of this driver's error can do no work any more, although it lives."""
    return (getattr(error, "sqlstate", None) or "").startswith(_USELESS_SESSION)


def is_server_read_only(error: BaseException) -> bool:
    """Tell whether the server refused a write since it only reads, so that its other sessions do so too."""
    return getattr(error, "sqlstate", None) == _READ_ONLY


def sentence(error: exc.DBAPIError) -> str:
    """Return why the database cannot be used, as a sentence for an operator."""
    said = one_line(error)
    if isinstance(error.orig, Unsuitable):
        return said
    # A server that answers names the error's kind.
    answered = getattr(error.orig, "sqlstate", None) and not is_unavailable(error)
    return f"The database {'refuses this' if answered else 'did not answer'}: {said}"


def says_too_many_connections(error: BaseException | None) -> bool:
    """Tell whether PostgreSQL, or PgBouncer, refused a connection because there are too many.

    libpq gives no SQLSTATE for a connection that failed (it would be 53300), so the text is looked at, which
    is English unless the server's ``lc_messages`` says otherwise.
    """
    return any(text in str(error) for text in _TOO_MANY_CONNECTIONS)


def one_line(error: exc.DBAPIError) -> str:
    """Return the first line of what the driver said, where no row is quoted, or else the error's name."""
    said = str(error.orig).strip()
    return said.splitlines()[0] if said else type(error.orig).__name__
