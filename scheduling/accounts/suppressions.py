"""The SQL of suppressions: the addresses to which no e-mail is sent any more, each with its reason."""

from __future__ import annotations

from typing import TYPE_CHECKING

import sqlalchemy as sa

from scheduling.accounts.models import MAX_REASON, email_suppressions, users
from scheduling.addresses import normal_form
from scheduling.db.metadata import bytewise
from scheduling.texts import one_line, shorten
from scheduling.web.pagination import Keyset

if TYPE_CHECKING:
    from collections.abc import Collection

    from scheduling.db.session import Session

NEWEST_FIRST = Keyset((email_suppressions.c.created_at, email_suppressions.c.address), (True, True))

select_suppressions = sa.select(
    email_suppressions.c.address, email_suppressions.c.reason, email_suppressions.c.created_at
)

reason_of_user = (
    sa.select(email_suppressions.c.reason)
    .where(
        email_suppressions.c.address
        == sa.func.coalesce(users.c.normal_email, sa.func.lower(bytewise(users.c.email)))
    )
    .correlate(users)
    .scalar_subquery()
)
"""Why a user gets no e-mail, as a column of a statement about ``users``; NULL for one who gets it.

The address of a row without normal form counts as it was typed, in lower case, since SQL has no normal forms.
"""


def suppress(db: Session, address: str, reason: str) -> None:
    """Send no e-mail to an address any more, in whichever spelling; ``reason`` may be any text.

    Of a suppressed address only the reason changes.
    """
    text = shorten(one_line(reason), MAX_REASON) or "no reason was given"
    insert = db.insert(email_suppressions).values(address=_key(address), reason=text)
    db.write(insert.on_conflict_do_update(index_elements=["address"], set_={"reason": text}))


def unsuppress(db: Session, address: str) -> bool:
    """Send e-mails to an address again; False if it was not suppressed."""
    is_it = email_suppressions.c.address == _key(address)
    return db.write(sa.delete(email_suppressions).where(is_it)).rowcount > 0


def find_suppressed(db: Session, addresses: Collection[str]) -> dict[str, str]:
    """Return those of the addresses that are suppressed, as they were given, each with the reason.

    It is one query, however many they are.
    """
    keys = {address: _key(address) for address in addresses}
    found = sa.select(email_suppressions.c.address, email_suppressions.c.reason).where(
        email_suppressions.c.address.in_(set(keys.values()))
    )
    reasons = {row.address: row.reason for row in db.rows(found)}
    return {address: reasons[key] for address, key in keys.items() if key in reasons}


def _key(address: str) -> str:
    return normal_form(address) or address.lower()
