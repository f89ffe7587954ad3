"""The SQL of accounts."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from scheduling.accounts.events import UserRegistered
from scheduling.accounts.models import users
from scheduling.accounts.search import add_terms, narrowed
from scheduling.accounts.suppressions import reason_of_user
from scheduling.addresses import normal_form
from scheduling.db.metadata import bytewise, database_now
from scheduling.db.statements import Statement
from scheduling.events import Notice, publish
from scheduling.exceptions import Invalid
from scheduling.security.permissions import Role
from scheduling.web.preconditions import write_if_match

if TYPE_CHECKING:
    from collections.abc import Iterator

    from scheduling.db.metadata import Row
    from scheduling.db.session import Session
    from scheduling.db.versions import Versions

PUBLIC = (
    users.c.id,
    users.c.name,
    users.c.email,
    users.c.role,
    users.c.time_zone,
    users.c.created_at,
    users.c.version,
)
"""The columns of a user as the API answers it (schemas.py)."""

PROFILE = (*PUBLIC, reason_of_user.is_(None).label("email_deliverable"))
"""The columns of a user as they are answered to itself."""

FOR_TOKEN = (*PUBLIC, users.c.token_key, database_now().label("read_at"))
"""What a token is made of, with the moment at which it was read."""

EMAIL_TAKEN = "Email already in use"

select_user = sa.select(*PUBLIC)
select_found = narrowed(select_user)


def email_is(address: str) -> sa.ColumnElement[bool]:
    """Return the condition that a user has this address, in whichever spelling; at most one user has it.

    One whose row has no normal form is found as it was typed, without regard to case, and goes first: it has
    no other way in.
    """
    row = users.alias()
    typed = (
        sa.select(row.c.id)
        .where(row.c.normal_email.is_(None), sa.func.lower(bytewise(row.c.email)) == address.lower())
        .order_by((row.c.email == address).desc(), row.c.id)
        .limit(1)
    )
    normal = sa.select(row.c.id).where(row.c.normal_email == sa.literal(normal_form(address), sa.String()))
    return users.c.id == sa.func.coalesce(typed.scalar_subquery(), normal.scalar_subquery())


# Clients ask for these all day: each token that is verified, each profile that is shown.
_find = Statement(select_user.where(users.c.id == sa.bindparam("user_id")))
_find_profile = Statement(sa.select(*PROFILE).where(users.c.id == sa.bindparam("user_id")))


def find(db: Session, user_id: int) -> Row | None:
    """Return the public columns of a user, or None."""
    return db.row(_find, {"user_id": user_id})


def find_profile(db: Session, user_id: int) -> Row | None:
    """Return a user as it is answered to itself, or None."""
    return db.row(_find_profile, {"user_id": user_id})


def register(db: Session, *, name: str, email: str, password_hash: str, role: str = Role.MEMBER) -> Row:
    """Create an account, tell who listens, and return what a token of it is made of.

    Raises :class:`Invalid` when the address is taken, also when another request takes it right now.
    """
    normal = _free_form(db, email)
    zone = db.registry.core_settings.default_time_zone
    values = {"name": name, "email": email, "password_hash": password_hash, "role": role, "time_zone": zone}
    insert = sa.insert(users).values(values)
    with _unless_taken():
        user = db.write(insert.values(normal_email=normal).returning(*FOR_TOKEN)).one()
    add_terms(db, user.id, name, email, normal)
    publish(UserRegistered(db=db, user_id=user.id, name=user.name))
    publish(Notice(db=db, user_id=user.id, email="WELCOME"))
    return user


def update_profile(db: Session, user_id: int, changes: dict[str, Any], versions: Versions) -> Row | None:
    """Change name, address or time zone; return what :func:`find_profile` does then.

    Raises as :func:`register`, and a ``Refusal`` (412) where the account has none of the versions.
    """
    normal = _free_form(db, changes["email"], user_id) if "email" in changes else None
    update = sa.update(users).where(users.c.id == user_id)
    with _unless_taken():
        user = write_if_match(db, update.values(changes).returning(*PROFILE), versions)
        if normal is not None:
            # By itself: where one statement changes the address and leaves the normal form, a trigger clears
            # that, since whoever wrote the statement does not know of it.
            user = db.write(update.values(normal_email=normal).returning(*PROFILE)).first()
    if user is not None:
        add_terms(db, user.id, user.name, user.email, normal_form(user.email))
    return user


def find_with_password(db: Session, user_id: int) -> Row | None:
    """Return a user, its password hash included, or None."""
    return db.row(sa.select(*PUBLIC, users.c.password_hash).where(users.c.id == user_id))


def find_credentials(db: Session, address: str) -> Row | None:
    """Return the user with this address, its password hash included, or None."""
    return db.row(sa.select(*PUBLIC, users.c.password_hash).where(email_is(address)))


def lock_unchanged(db: Session, user: Row) -> Row | None:
    """Return what a token is made of now, the user locked until the commit; None if its password has changed.

    While a password was being checked, another request may have changed it, or the role, and ended all
    tokens. A token must be made of what holds now, and before such a change or after it.
    """
    unchanged = sa.and_(users.c.id == user.id, users.c.password_hash == user.password_hash)
    return db.row(sa.select(*FOR_TOKEN).where(unchanged).with_for_update(read=True))


def replace_password(db: Session, user: Row, new_hash: str) -> Row | None:
    """Replace a user's password hash and return what a token is made of; None if somebody just replaced it.

    The row is locked until the commit, as by :func:`lock_unchanged`.
    """
    same = sa.and_(users.c.id == user.id, users.c.password_hash == user.password_hash)
    update = sa.update(users).where(same).values(password_hash=new_hash)
    return db.write(update.returning(*FOR_TOKEN)).first()


def set_password(db: Session, user_id: int, new_hash: str) -> bool:
    """Give a user another password hash, whatever it has, and end its tokens; False if there is no user."""
    update = sa.update(users).where(users.c.id == user_id).values(password_hash=new_hash)
    if not db.write(update).rowcount:
        return False
    db.registry.tokens.cut_off(db, user_id)
    return True


def set_role(db: Session, address: str, role: str) -> Row | None:
    """Give the user with this address a role and end its tokens, which name the old one; None if unknown."""
    update = sa.update(users).where(email_is(address)).values(role=role).returning(*PUBLIC)
    user = db.write(update).first()
    if user is not None:
        db.registry.tokens.cut_off(db, user.id)
    return user


def find_by_address(db: Session, address: str) -> Row | None:
    """Return the user with this address, or None."""
    return db.row(select_user.where(email_is(address)))


def delete(db: Session, user_id: int) -> bool:
    """Delete an account, with what the foreign keys of other tables give to it, and end its tokens.

    False if there is none. Raises ``IntegrityError`` where rows of a plugin keep it.
    """
    if not db.write(sa.delete(users).where(users.c.id == user_id)).rowcount:
        return False
    db.registry.tokens.cut_off(db, user_id)
    return True


def _free_form(db: Session, address: str, user_id: int | None = None) -> str | None:
    """Return the normal form of an address that a user is going to have; raise :class:`Invalid` if taken.

    This is for the rows without a normal form, which the index on it does not know.
    """
    normal = normal_form(address)
    spellings = [address.lower()] if normal is None else [address.lower(), normal]
    typed = sa.select(users.c.id).where(
        users.c.normal_email.is_(None), sa.func.lower(bytewise(users.c.email)).in_(spellings)
    )
    if any(row.id != user_id for row in db.rows(typed)):
        raise _taken()
    return normal


def _taken() -> Invalid:
    return Invalid({"email": [EMAIL_TAKEN]}, EMAIL_TAKEN)


@contextmanager
def _unless_taken() -> Iterator[None]:
    try:
        yield
    except IntegrityError as error:
        # The index decides, not a SELECT before: two registrations at once have one winner.
        # PostgreSQL names the index, SQLite the column where it is one.
        if any(name in str(error.orig) for name in ("uq_users_email_lower", "normal_email")):
            raise _taken() from None
        raise
