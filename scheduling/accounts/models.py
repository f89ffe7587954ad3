"""The tables of users, of what they are found by, and of addresses to which no e-mail is sent any more."""

import secrets
from datetime import datetime

import sqlalchemy as sa

from scheduling.addresses import MAX_TYPED
from scheduling.db.metadata import BigId, Timestamp, bytewise, metadata
from scheduling.db.versions import version_column
from scheduling.times import utcnow


def new_token_key() -> str:
    """Return 128 random bits, as 22 characters: no other account will ever have them."""
    return secrets.token_urlsafe(16)


class UserColumns(sa.TypedColumns):
    """An account. The address is kept as it was typed; its normal form is unique.

    The normal form is NULL, and the address is found as it was typed, where the row was written by something
    that does not know the column, such as the release before, and where two accounts that were there before
    the column have one mailbox.

    Its tokens carry ``token_key``. It is NULL, and they carry none, where the account is older than the
    column or was made by something that does not know it, such as the release before.
    """

    id: sa.Named[int] = sa.Column(BigId, primary_key=True)
    email: sa.Named[str] = sa.Column(sa.String(MAX_TYPED), nullable=False)
    normal_email: sa.Named[str | None] = sa.Column(sa.String(MAX_TYPED))
    password_hash: sa.Named[str] = sa.Column(sa.String(255), nullable=False)
    name: sa.Named[str] = sa.Column(sa.String(255), nullable=False)
    role: sa.Named[str] = sa.Column(sa.String(50), nullable=False, server_default="member")
    time_zone: sa.Named[str] = sa.Column(sa.String(64), nullable=False, server_default="UTC")
    token_key: sa.Named[str | None] = sa.Column(sa.String(22), default=new_token_key)
    created_at: sa.Named[datetime] = sa.Column(
        Timestamp, nullable=False, default=utcnow, server_default=sa.func.now()
    )
    updated_at: sa.Named[datetime] = sa.Column(
        Timestamp, nullable=False, default=utcnow, server_default=sa.func.now(), onupdate=utcnow
    )
    version: sa.Named[int] = version_column()


users = sa.Table("users", metadata, UserColumns, sqlite_autoincrement=True)
# By this one the release before keeps addresses apart.
sa.Index("uq_users_email_lower", sa.func.lower(users.c.email), unique=True)
sa.Index("uq_users_normal_email", users.c.normal_email, unique=True)
# Of all rows, though it is for those without a normal form: PostgreSQL uses no statistics of a partial index.
sa.Index("ix_users_email_as_typed", sa.func.lower(bytewise(users.c.email)))
sa.Index("ix_users_created_at_id", users.c.created_at, users.c.id)


MAX_TERM = 100
"""How many characters of a text in ``user_terms`` count."""


class UserTermColumns(sa.TypedColumns):
    """A text that begins with a word of a user's name or address, without case: what a search looks for.

    A trigger writes the whole name and the whole address in lower case, that of ASCII, so that also whoever
    does not know of this table keeps it true; :mod:`scheduling.accounts.search` adds all else.
    """

    # Compared by its bytes, so that an index finds how texts begin.
    term: sa.Named[str] = sa.Column(
        sa.Text(collation="C").with_variant(sa.Text(), "sqlite"), primary_key=True
    )
    user_id: sa.Named[int] = sa.Column(
        BigId, sa.ForeignKey(users.c.id, ondelete="CASCADE"), primary_key=True, index=True
    )


user_terms = sa.Table("user_terms", metadata, UserTermColumns)


class LoginAddressColumns(sa.TypedColumns):
    """From which addresses an account logged in, each as a hash: its user can't be locked out there."""

    user_id: sa.Named[int] = sa.Column(BigId, sa.ForeignKey(users.c.id, ondelete="CASCADE"), primary_key=True)
    address: sa.Named[bytes] = sa.Column(sa.LargeBinary(16), primary_key=True)
    # To the day.
    last_at: sa.Named[datetime] = sa.Column(Timestamp, nullable=False, index=True)


login_addresses = sa.Table("login_addresses", metadata, LoginAddressColumns)

MAX_REASON = 500
"""How many characters the reason of a suppression has at most."""


class EmailSuppressionColumns(sa.TypedColumns):
    """An address to which no e-mail is sent any more, and why: a permanent refusal, or an operator.

    It is of the address, not of an account: it holds for whoever has the address now or later. The address is
    in its normal form, or in lower case where it has none.
    """

    # Compared by its bytes, so that the address of a user's row without normal form, which is lower-cased in
    # no language, is found by the index.
    address: sa.Named[str] = sa.Column(
        sa.Text(collation="C").with_variant(sa.Text(), "sqlite"), primary_key=True
    )
    reason: sa.Named[str] = sa.Column(sa.String(MAX_REASON), nullable=False)
    created_at: sa.Named[datetime] = sa.Column(
        Timestamp, nullable=False, default=utcnow, server_default=sa.func.now()
    )


email_suppressions = sa.Table("email_suppressions", metadata, EmailSuppressionColumns)
sa.Index(
    "ix_email_suppressions_created_at_address",
    email_suppressions.c.created_at,
    email_suppressions.c.address,
)
