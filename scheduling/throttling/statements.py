"""The SQL of a decision: one statement, which counts and decides by the database's clock.

The row is locked by the statement alone, which is a transaction of its own, so that a decision is exact
however many processes ask, and holds up nobody. PostgreSQL keeps the moments as an array, SQLite as JSON.

A limit lets ``places`` calls pass in any ``window``. One with a ``first_wait`` lets single calls pass after
that: the first one when ``first_wait`` is over, the next after twice that, and so on up to ``window``. It
begins anew when nothing has passed for as long as ``keep``. All of these are microseconds.
"""

from __future__ import annotations

import sqlalchemy as sa

# "now" is later than all that was counted before, also where the clock was set back: a moment is the name of
# a place, by which it is given back. PostgreSQL evaluates what follows ON CONFLICT with the row locked.
_TAKE = """
INSERT INTO rate_limits AS kept (key, hits, waits, admitted, expires_at)
SELECT :key, {one}, CASE WHEN :first_wait > 0 AND :places <= 1 THEN 1 ELSE 0 END, {true}, now + :keep
FROM (SELECT {clock} AS now) AS clock WHERE true
ON CONFLICT (key) DO UPDATE SET (hits, waits, admitted, expires_at) = (
    SELECT CASE WHEN admits THEN {appended} ELSE recent END,
        CASE WHEN NOT admits OR :first_wait = 0 OR (waits = 0 AND {number} + 1 < :places) THEN waits
             ELSE {least}(waits + 1, 20) END,
        admits,
        CASE WHEN admits THEN now + :keep ELSE expires_at END
    FROM (
        SELECT now, recent, waits, expires_at,
            (waits > 0 OR {number} < :places) AND (waits = 0 OR now >= latest + {wait}) AS admits
        FROM (
            SELECT now, latest, expires_at, {recent} AS recent,
                CASE WHEN expires_at <= now THEN 0 ELSE waits END AS waits
            FROM (
                SELECT {greatest}({clock}, coalesce({latest}, 0) + 1) AS now, coalesce({latest}, 0) AS latest,
                    kept.waits AS waits, kept.expires_at AS expires_at
            ) AS present {once}
        ) AS counted {once}
    ) AS decided
)
RETURNING {length} AS number, {oldest} AS oldest, {newest} AS newest, waits, admitted, {clock} AS now
"""

_WAIT = "{least}(:first_wait * (1 << (waits - 1)), :window)"

_POSTGRESQL = {
    # Keeps the planner from writing an expression in each place where its name is.
    "once": "OFFSET 0",
    "clock": "CAST(extract(epoch FROM clock_timestamp()) * 1000000 AS bigint)",
    "one": "ARRAY[now]",
    "true": "true",
    "least": "least",
    "greatest": "greatest",
    "latest": "kept.hits[cardinality(kept.hits)]",
    # A search by halves: the moments are in order.
    "recent": "kept.hits[width_bucket(now - :window, kept.hits) + 1 :]",
    "number": "cardinality(recent)",
    "appended": "array_append(recent, now)",
    "length": "cardinality(hits)",
    "oldest": "hits[greatest(cardinality(hits) - :places, 0) + 1]",
    "newest": "hits[cardinality(hits)]",
}
_SQLITE = {
    "once": "LIMIT -1 OFFSET 0",
    # Days since noon of 24 November 4714 BC; 2440587.5 is 1 January 1970.
    "clock": "CAST((julianday('now') - 2440587.5) * 86400000000 AS INTEGER)",
    "one": "json_array(now)",
    "true": "1",
    "least": "min",
    "greatest": "max",
    "latest": "json_extract(kept.hits, '$[#-1]')",
    "recent": "(SELECT json_group_array(value) FROM json_each(kept.hits) WHERE value > now - :window)",
    "number": "json_array_length(recent)",
    "appended": "json_insert(recent, '$[#]', now)",
    "length": "json_array_length(hits)",
    "oldest": "json_extract(hits, '$[' || max(json_array_length(hits) - :places, 0) || ']')",
    "newest": "json_extract(hits, '$[#-1]')",
}

_GIVE_BACK = """
UPDATE rate_limits SET hits = {rest}, waits = CASE WHEN waits > :raised THEN waits - :raised ELSE 0 END
WHERE key = :key
"""
_REST = {
    "postgresql": "array_remove(hits, :moment)",
    "sqlite": "(SELECT json_group_array(value) FROM json_each(hits) WHERE value <> :moment)",
}


def _take(parts: dict[str, str]) -> sa.TextClause:
    text = _TAKE.format(**parts, wait=_WAIT.format(**parts))
    numbers = [sa.bindparam(name, type_=sa.BigInteger) for name in ("window", "first_wait", "keep")]
    return sa.text(text).bindparams(
        sa.bindparam("key", type_=sa.LargeBinary), sa.bindparam("places", type_=sa.Integer), *numbers
    )


def _give_back(dialect: str) -> sa.TextClause:
    return sa.text(_GIVE_BACK.format(rest=_REST[dialect]))


TAKE = {"postgresql": _take(_POSTGRESQL), "sqlite": _take(_SQLITE)}
"""Takes a place if there is one, and tells how it stands after that; by the database's kind."""

GIVE_BACK = {dialect: _give_back(dialect) for dialect in _REST}
"""Gives the place back that was taken at ``moment``; ``raised`` is 1 where that imposed a wait, else 0."""
