"""Finds users by how a word of their names or addresses begins, through an index.

A term is a text from the beginning of a word to the end of the name or address, in the letters that are left
where case does not count: ``ann smith`` and ``smith`` for Ann Smith. What is looked for is how terms begin,
so that one range of the index has all of them. See docs/decisions/user-search.md.
"""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING
from unicodedata import category, normalize

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from scheduling.accounts.models import MAX_TERM, user_terms, users
from scheduling.db.statements import Statement
from scheduling.web.pagination import Keyset

if TYPE_CHECKING:
    from collections.abc import Iterator

    from scheduling.db.metadata import Query
    from scheduling.db.session import Session

MAX_TERMS = 8
"""How many terms a name or an address has at most: its first words."""

_LAST_LETTER = "\U0010ffff"

BY_TERM = Keyset((user_terms.c.term, user_terms.c.user_id), (False, False))
"""The order of what was found: that of the index, so that a page reads a page."""


_insert = {
    "postgresql": Statement(postgresql.insert(user_terms).on_conflict_do_nothing()),
    "sqlite": Statement(sqlite.insert(user_terms).on_conflict_do_nothing()),
}

_own = user_terms.alias("own")
_begins, _ends = sa.bindparam("begins", type_=sa.String), sa.bindparam("ends", type_=sa.String)
# A user is listed once, at the first of the terms that begin so. With FILTER, since PostgreSQL looks for a
# min() with a WHERE from the beginning of the range, through everybody's terms.
_first = (
    sa.select(sa.func.min(_own.c.term).filter(_own.c.term >= _begins, _own.c.term < _ends))
    .where(_own.c.user_id == user_terms.c.user_id)
    .scalar_subquery()
)


def narrowed(query: Query) -> Query:
    """Return a query of users for those who are found; :func:`range_of` has the values of its parameters."""
    begins_so = sa.and_(user_terms.c.term >= _begins, user_terms.c.term < _ends)
    return query.join(user_terms, user_terms.c.user_id == users.c.id).where(
        begins_so, user_terms.c.term == _first
    )


def range_of(sought: str) -> dict[str, str]:
    """Return the range of the terms that begin as a text that somebody looks for."""
    begins = _fold(sought)[:MAX_TERM]
    return {"begins": begins, "ends": begins + _LAST_LETTER}


def terms_of(*texts: str | None) -> set[str]:
    """Return the terms by which a name and addresses are found; None has none."""
    folded = [_fold(text) for text in texts if text]
    begins = ((text, start) for text in folded for start in islice(_beginnings(text), MAX_TERMS))
    return {text[start : start + MAX_TERM] for text, start in begins}


def add_terms(db: Session, user_id: int, *texts: str | None) -> None:
    """Have a user found by a name and addresses that have just been written.

    A trigger has removed the terms of what was there before, and has added those that SQL can make.
    """
    insert = _insert[db.registry.engine.dialect.name]
    for term in sorted(terms_of(*texts)):
        db.insert_at_commit(insert, {"user_id": user_id, "term": term})


def _beginnings(text: str) -> Iterator[int]:
    """Yield where words begin: with the text, and with a letter or digit after something that is neither.

    A mark belongs to what it is on. Scripts of India and Thai write vowels as marks, and the small letter of
    İ is an i with a dot as a mark of its own: what follows them begins no word.
    """
    is_inside = False
    for position, character in enumerate(text):
        kind = category(character)[0]
        begins = kind in "LN" and not is_inside
        if begins or position == 0:
            yield position
        if kind != "M":
            is_inside = kind in "LN"


def _fold(text: str) -> str:
    """Return a text as it is compared: without case, and each letter in one of the ways to write it.

    Where İ loses its case it is an i with a dot above, which nobody types. Words are one space apart.
    """
    folded = normalize("NFKC", normalize("NFKC", text).casefold().replace("i\u0307", "i"))
    return " ".join(folded.split())
