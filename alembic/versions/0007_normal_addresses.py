"""The normal form of addresses, filled in for the accounts that are there.

Accounts with one mailbox, and addresses that no mail server can have, keep NULL and are named in the log.
"""

import logging

import sqlalchemy as sa
from alembic import op

from scheduling.addresses import normal_form
from scheduling.db.metadata import BigId, bytewise

revision = "core_0007"
down_revision = "core_0006"
branch_labels = None
depends_on = None

logger = logging.getLogger("scheduling.db.migrations")

BATCH = 1000

users = sa.table("users", *(sa.column(name) for name in ("id", "email", "normal_email")))
forms = sa.table("users_normal_forms", *(sa.column(name) for name in ("id", "email", "normal_email")))

# Who changes an address and leaves its normal form does not know of it: the release before, or an operator.
POSTGRESQL_TRIGGER = """
CREATE FUNCTION users_clear_normal_email() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.normal_email := NULL;
    RETURN NEW;
END $$;
CREATE TRIGGER users_clear_normal_email BEFORE UPDATE OF email ON users FOR EACH ROW
WHEN (NEW.email <> OLD.email AND NEW.normal_email = OLD.normal_email)
EXECUTE FUNCTION users_clear_normal_email()
"""
SQLITE_TRIGGER = """
CREATE TRIGGER users_clear_normal_email AFTER UPDATE OF email ON users FOR EACH ROW
WHEN NEW.email <> OLD.email AND NEW.normal_email = OLD.normal_email
BEGIN
    UPDATE users SET normal_email = NULL WHERE id = NEW.id;
END
"""


def upgrade() -> None:
    # Python's part is done in a table of its own, before anything locks the accounts.
    find_forms()
    set_aside("they have one mailbox", forms.c.normal_email.in_(shared_forms()))
    set_aside("no mail server can have their addresses", forms.c.normal_email.is_(None))
    op.add_column("users", sa.Column("normal_email", sa.String(255)))
    op.execute(
        sa.update(users)
        .values(normal_email=forms.c.normal_email)
        # An address that has changed meanwhile is left to be found as it was typed.
        .where(users.c.id == forms.c.id, users.c.email == forms.c.email)
    )
    op.drop_table("users_normal_forms")
    op.create_index("uq_users_normal_email", "users", ["normal_email"], unique=True)
    op.create_index("ix_users_email_as_typed", "users", [sa.func.lower(bytewise(sa.column("email")))])
    op.get_bind().exec_driver_sql(POSTGRESQL_TRIGGER if is_postgresql() else SQLITE_TRIGGER)


def downgrade() -> None:
    op.execute("DROP TRIGGER users_clear_normal_email" + (" ON users" if is_postgresql() else ""))
    if is_postgresql():
        op.execute("DROP FUNCTION users_clear_normal_email")
    op.drop_index("ix_users_email_as_typed", "users")
    op.drop_index("uq_users_normal_email", "users")
    op.drop_column("users", "normal_email")


def is_postgresql() -> bool:
    return op.get_bind().dialect.name == "postgresql"


def find_forms() -> None:
    op.create_table(
        "users_normal_forms",
        sa.Column("id", BigId, primary_key=True),
        sa.Column("email", sa.String(255), nullable=False),
        sa.Column("normal_email", sa.String(255), index=True),
    )
    last = 0
    while rows := next_accounts(last):
        found = [{"id": row.id, "email": row.email, "normal_email": normal_form(row.email)} for row in rows]
        op.get_bind().execute(sa.insert(forms), found)
        last = rows[-1].id


def next_accounts(last: int):
    query = sa.select(users.c.id, users.c.email).where(users.c.id > last).order_by(users.c.id)
    return op.get_bind().execute(query.limit(BATCH)).all()


def shared_forms():
    form = forms.c.normal_email
    return sa.select(form).group_by(form).having(sa.func.count() > 1)


def set_aside(reason: str, condition) -> None:
    """Take accounts out of those that get a normal form, and name them, those of one mailbox in a line."""
    gone = sa.delete(forms).where(condition).returning(forms.c.id, forms.c.normal_email)
    groups = {}
    for row in op.get_bind().execute(gone).all():
        groups.setdefault(row.normal_email, []).append(row.id)
    for ids in groups.values():
        logger.warning(
            "These accounts are found only by their addresses as they were typed, since %s: %s",
            reason,
            ", ".join(map(str, sorted(ids))),
        )
