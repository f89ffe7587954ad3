"""The SQL of accounts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from scheduling.accounts.events import UserRegistered
from scheduling.accounts.models import users
from scheduling.errors import Invalid
from scheduling.events import Notice, publish
from scheduling.security import Role

if TYPE_CHECKING:
    from scheduling.db import Row, Session

PUBLIC = (users.c.id, users.c.name, users.c.email, users.c.role, users.c.created_at)
"""The columns that make the contract's ``user``."""

EMAIL_TAKEN = "Email already in use"

select_user = sa.select(*PUBLIC)


def email_is(address: str) -> sa.ColumnElement[bool]:
    """Return the condition that a user has this address, without regard to case."""
    return sa.func.lower(users.c.email) == sa.func.lower(sa.bindparam("address", address.lower()))


def register(db: Session, *, name: str, email: str, password_hash: str, role: str = Role.MEMBER) -> Row:
    """Create an account, tell who listens, and return the user's public columns.

    Raises :class:`Invalid` when the address is taken, also when another request takes it right now.
    """
    insert = sa.insert(users).values(name=name, email=email, password_hash=password_hash, role=role)
    user = _unless_taken(db, insert.returning(*PUBLIC))
    assert user is not None  # noqa: S101 - an INSERT returns its row
    publish(UserRegistered(db=db, user_id=user.id, name=user.name))
    publish(Notice(db=db, user_id=user.id, email="WELCOME"))
    return user


def update_profile(db: Session, user_id: int, changes: dict[str, Any]) -> Row | None:
    """Change name or address; return the user, or None if there is none. Raises as :func:`register`."""
    update = sa.update(users).where(users.c.id == user_id).values(changes)
    return _unless_taken(db, update.returning(*PUBLIC))


def find_credentials(db: Session, address: str) -> Row | None:
    """Return the user with this address, its password hash included, or None."""
    return db.row(sa.select(*PUBLIC, users.c.password_hash).where(email_is(address)))


def lock_unchanged(db: Session, user: Row) -> Row | None:
    """Return the user as it is now, locked until the commit; None if its password has changed meanwhile.

    While a password was being checked, another request may have changed it, or the role, and ended all
    tokens. A token must be made of what holds now, and before such a change or after it.
    """
    same = sa.and_(users.c.id == user.id, users.c.password_hash == user.password_hash)
    return db.write(sa.select(*PUBLIC).where(same).with_for_update(read=True)).first()


def replace_password(db: Session, user: Row, new_hash: str) -> Row | None:
    """Replace a user's password hash and return the user; None if another request has just replaced it."""
    same = sa.and_(users.c.id == user.id, users.c.password_hash == user.password_hash)
    update = sa.update(users).where(same).values(password_hash=new_hash)
    return db.write(update.returning(*PUBLIC)).first()


def set_role(db: Session, address: str, role: str) -> Row | None:
    """Give the user with this address a role and end its tokens, which name the old one; None if unknown."""
    update = sa.update(users).where(email_is(address)).values(role=role).returning(*PUBLIC)
    user = db.write(update).first()
    if user is not None:
        db.registry.tokens.cut_off(db, user.id)
    return user


def _unless_taken(db: Session, statement: sa.UpdateBase) -> Row | None:
    try:
        return db.write(statement).first()
    except IntegrityError as error:
        # The index decides, not a SELECT before: two registrations at once have one winner.
        if "uq_users_email_lower" in str(error.orig):
            raise Invalid({"email": [EMAIL_TAKEN]}, EMAIL_TAKEN) from None
        raise
