"""What a database error means: whether it passes by itself, and what may be said of it."""

from __future__ import annotations

from sqlalchemy import exc

# SQLSTATE classes and codes (PostgreSQL, appendix A) that pass by themselves: connection exceptions,
# insufficient resources, operator intervention (shutdown, statement time-out), lock not available.
_PASSING_SQLSTATES = ("08", "53", "57", "55P03")


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
    if not isinstance(error, exc.OperationalError):
        return False
    if type(error.orig).__module__.startswith("sqlite3"):
        return any(text in str(error.orig) for text in _PASSING_SQLITE)
    sqlstate = getattr(error.orig, "sqlstate", None)
    return sqlstate is None or sqlstate.startswith(_PASSING_SQLSTATES)


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
