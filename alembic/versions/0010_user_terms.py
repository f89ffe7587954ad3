"""What users are found by: the beginnings of the words of their names and addresses.

The accounts that are there are read before anything locks them; those that change meanwhile follow when the
triggers are there.
"""

from datetime import timedelta

import sqlalchemy as sa
from alembic import op

from scheduling.accounts.search import terms_of
from scheduling.db.metadata import BigId, Timestamp
from scheduling.times import utcnow

revision = "core_0010"
down_revision = "core_0009"
branch_labels = None
depends_on = None

BATCH = 1000
CLOCKS_DIFFER_BY = timedelta(hours=1)

users = sa.table(
    "users",
    *(sa.column(name) for name in ("id", "name", "email", "normal_email")),
    sa.column("updated_at", Timestamp),
)
user_terms = sa.table("user_terms", sa.column("term"), sa.column("user_id"))

# The search path is kept, so that whoever writes an account need not have the schema in theirs.
POSTGRESQL_TRIGGER = """
CREATE FUNCTION users_terms() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    DELETE FROM user_terms WHERE user_id = NEW.id;
    INSERT INTO user_terms (term, user_id) VALUES
        (left(lower(NEW.name COLLATE "C"), 100), NEW.id), (left(lower(NEW.email COLLATE "C"), 100), NEW.id)
    ON CONFLICT DO NOTHING;
    RETURN NULL;
END $$;
CREATE TRIGGER users_terms AFTER INSERT OR UPDATE OF name, email ON users
FOR EACH ROW EXECUTE FUNCTION users_terms()
"""
SQLITE_TRIGGER = """
CREATE TRIGGER users_terms_{verb} AFTER {event} ON users FOR EACH ROW
BEGIN
    DELETE FROM user_terms WHERE user_id = NEW.id;
    INSERT OR IGNORE INTO user_terms (term, user_id) VALUES
        (substr(lower(NEW.name), 1, 100), NEW.id), (substr(lower(NEW.email), 1, 100), NEW.id);
END
"""
SQLITE_EVENTS = {"insert": "INSERT", "update": "UPDATE OF name, email"}


def upgrade() -> None:
    began = utcnow()
    op.create_table(
        "user_terms",
        sa.Column("term", sa.Text(collation="C").with_variant(sa.Text(), "sqlite"), nullable=False),
        sa.Column("user_id", BigId, autoincrement=False, nullable=False),
        sa.PrimaryKeyConstraint("term", "user_id", name="pk_user_terms"),
        *(() if is_postgresql() else (foreign_key(),)),
    )
    op.create_index("ix_user_terms_user_id", "user_terms", ["user_id"])
    fill(sa.true())
    if is_postgresql():
        # From here on nobody can write accounts until the commit. What is in the table is not checked once
        # more, which would take long: it came from accounts that were there, and those of which one was
        # deleted meanwhile are removed now that no more can be.
        op.execute(
            "ALTER TABLE user_terms ADD CONSTRAINT fk_user_terms_user_id_users "
            "FOREIGN KEY (user_id) REFERENCES users (id) ON DELETE CASCADE NOT VALID"
        )
        op.execute("DELETE FROM user_terms t WHERE NOT EXISTS (SELECT FROM users WHERE users.id = t.user_id)")
        op.get_bind().exec_driver_sql(POSTGRESQL_TRIGGER)
        fill(users.c.updated_at > began - CLOCKS_DIFFER_BY)
        return
    for verb, event in SQLITE_EVENTS.items():
        op.get_bind().exec_driver_sql(SQLITE_TRIGGER.format(verb=verb, event=event))


def downgrade() -> None:
    if is_postgresql():
        op.execute("DROP TRIGGER users_terms ON users")
        op.execute("DROP FUNCTION users_terms")
    else:
        for verb in SQLITE_EVENTS:
            op.execute(f"DROP TRIGGER users_terms_{verb}")
    op.drop_table("user_terms")


def is_postgresql() -> bool:
    return op.get_bind().dialect.name == "postgresql"


def foreign_key() -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(
        ["user_id"], ["users.id"], name="fk_user_terms_user_id_users", ondelete="CASCADE"
    )


def fill(condition) -> None:
    """Write the terms of the accounts for which a condition holds, and remove others that they have."""
    last = 0
    while rows := next_accounts(last, condition):
        op.execute(sa.delete(user_terms).where(user_terms.c.user_id.in_([row.id for row in rows])))
        found = ((row.id, terms_of(row.name, row.email, row.normal_email)) for row in rows)
        new = [{"term": term, "user_id": user_id} for user_id, terms in found for term in terms]
        op.get_bind().execute(sa.insert(user_terms), new)
        last = rows[-1].id


def next_accounts(last: int, condition):
    query = sa.select(users).where(users.c.id > last, condition).order_by(users.c.id)
    return op.get_bind().execute(query.limit(BATCH)).all()
