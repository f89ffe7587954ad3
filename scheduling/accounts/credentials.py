"""Checks passwords, and replaces hashes while other requests may be replacing the same ones."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyramid.httpexceptions import HTTPServiceUnavailable

from scheduling.accounts import service
from scheduling.accounts.guesses import Guess

if TYPE_CHECKING:
    from collections.abc import Callable

    from scheduling.db.metadata import Row
    from scheduling.web.request import Request

_ATTEMPTS = 2


def log_in(request: Request, address: str, password: str) -> tuple[Row | None, Row | None]:
    """Return the account with this address and, if the password is right, what a token is made of.

    None stands for either where there is none. The account is locked until the commit. A hash that would be
    made otherwise today, such as one of another cost, is renewed in the same transaction. Raises ``TooMany``
    where too many passwords were wrong; so do the others.
    """
    db, guess = request.db, Guess(request)
    guess.require_unrefused(address)
    request.registry.passwords.require_place()

    def enter(user: Row) -> Row | None:
        renewed = db.registry.passwords.renewed(password, user.password_hash)
        if renewed is None:
            entered = service.lock_unchanged(db, user)
        else:
            entered = service.replace_password(db, user, renewed)
        if entered is not None:
            guess.note_login(user.id)
        return entered

    def find() -> Row | None:
        found = service.find_credentials(db, address)
        guess.begin(address, found.id if found else None)
        return found

    return _with_password(request, guess, find, password, enter)


def confirm(request: Request, user_id: int, password: str) -> bool:
    """Tell whether this is the account's password; then it stays so until the commit."""
    guess = Guess(request)
    _, locked = _with_password(
        request,
        guess,
        lambda: _find_own(request, guess, user_id),
        password,
        lambda user: service.lock_unchanged(request.db, user),
    )
    return locked is not None


def change_password(request: Request, user_id: int, current: str, new: str) -> tuple[Row | None, Row | None]:
    """Return the account and, if ``current`` was its password and has been replaced, what a token is made of.

    None stands for either where there is none.
    """
    db, guess = request.db, Guess(request)

    def replace(user: Row) -> Row | None:
        return service.replace_password(db, user, request.registry.passwords.hash(new))

    return _with_password(request, guess, lambda: _find_own(request, guess, user_id), current, replace)


def _find_own(request: Request, guess: Guess, user_id: int) -> Row | None:
    """Return an account by its id, its password hash included, or None; begin the guess at it."""
    found = service.find_with_password(request.db, user_id)
    if found is not None:
        guess.begin(found.email, found.id)
    return found


def _with_password(
    request: Request,
    guess: Guess,
    find: Callable[[], Row | None],
    password: str,
    use: Callable[[Row], Row | None],
) -> tuple[Row | None, Row | None]:
    """Find an account and use it if the password is right; return what ``find`` and ``use`` returned.

    ``use`` returns None where the hash is not the checked one any more. Then all of it is done once more: a
    log-in elsewhere may have renewed the hash, and the password is as right as before. ``find`` begins the
    guess, which ends where the password is right, before anything is locked.
    """
    db = request.db
    found = used = None
    for _ in range(_ATTEMPTS):
        found = find()
        # For others. A call with an Idempotency-Key keeps it, with the guess that was counted and its lock.
        db.release()
        try:
            right = request.registry.passwords.matches(password, found.password_hash if found else None)
        except HTTPServiceUnavailable:
            guess.take_back()
            raise
        if right:
            guess.take_back()
        used = use(found) if right and found else None
        if used is not None or not right:
            break
    return found, used
