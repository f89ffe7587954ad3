"""Checks passwords, and replaces hashes while other requests may be replacing the same ones."""

from __future__ import annotations

from typing import TYPE_CHECKING

from scheduling.accounts import service

if TYPE_CHECKING:
    from collections.abc import Callable

    from scheduling.db.metadata import Row
    from scheduling.db.session import Session

_ATTEMPTS = 2


def log_in(db: Session, address: str, password: str) -> tuple[Row | None, Row | None]:
    """Return the account with this address and, if the password is right, what a token is made of.

    None stands for either where there is none. The account is locked until the commit. A hash that would be
    made otherwise today, such as one of another cost, is renewed in the same transaction.
    """

    def enter(user: Row) -> Row | None:
        renewed = db.registry.passwords.renewed(password, user.password_hash)
        if renewed is None:
            return service.lock_unchanged(db, user)
        return service.replace_password(db, user, renewed)

    return _with_password(db, lambda: service.find_credentials(db, address), password, enter)


def confirm(db: Session, user_id: int, password: str) -> bool:
    """Tell whether this is the account's password; then it stays so until the commit."""
    _, locked = _with_password(
        db,
        lambda: service.find_with_password(db, user_id),
        password,
        lambda user: service.lock_unchanged(db, user),
    )
    return locked is not None


def change_password(db: Session, user_id: int, current: str, new: str) -> tuple[Row | None, Row | None]:
    """Return the account and, if ``current`` was its password and has been replaced, what a token is made of.

    None stands for either where there is none.
    """

    def replace(user: Row) -> Row | None:
        return service.replace_password(db, user, db.registry.passwords.hash(new))

    return _with_password(db, lambda: service.find_with_password(db, user_id), current, replace)


def _with_password(
    db: Session, find: Callable[[], Row | None], password: str, use: Callable[[Row], Row | None]
) -> tuple[Row | None, Row | None]:
    """Find an account and use it if the password is right; return what ``find`` and ``use`` returned.

    ``use`` returns None where the hash is not the checked one any more. Then all of it is done once more: a
    log-in elsewhere may have renewed the hash, and the password is as right as before.
    """
    found = used = None
    for _ in range(_ATTEMPTS):
        found = find()
        db.close()  # which gives the connection to others meanwhile
        right = db.registry.passwords.matches(password, found.password_hash if found else None)
        used = use(found) if right and found else None
        if used is not None or not right:
            break
    return found, used
