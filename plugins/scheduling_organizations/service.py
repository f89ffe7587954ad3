"""The rules and the SQL of organizations."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from scheduling.plugin import Invalid, Missing, Role, email_is, publish, users, utcnow, write_if_match
from scheduling_organizations.events import MemberAdded
from scheduling_organizations.models import organization_members as members
from scheduling_organizations.models import organizations

if TYPE_CHECKING:
    from scheduling.plugin import Query, Row, Session, Versions

PUBLIC = (
    organizations.c.id,
    organizations.c.name,
    organizations.c.owner_id,
    organizations.c.created_at,
    organizations.c.updated_at,
    organizations.c.version,
)
"""The columns of an organization as the API answers it (schemas.py)."""

MEMBERSHIP = (
    members.c.id,
    members.c.organization_id,
    members.c.user_id,
    members.c.role,
    members.c.joined_at,
    members.c.version,
)
"""The columns that make a membership, as it is answered when it was added."""

MAX_EMBEDDED = 1000
"""How many members an organization shows with itself; ``/members`` has pages for more."""


def find(db: Session, organization_id: int, sender_id: int) -> Row | None:
    """Return an organization and, as ``sender_is_member``, whether that user belongs to it; or None."""
    is_member = sa.exists().where(
        members.c.organization_id == organizations.c.id, members.c.user_id == sender_id
    )
    query = sa.select(*PUBLIC, is_member.label("sender_is_member"))
    return db.row(query.where(organizations.c.id == organization_id))


def select_of_user(user_id: int, scope: str) -> Query:
    """Return the query for the organizations that a user owns, or belongs to (``scope`` ``member``)."""
    query = sa.select(*PUBLIC)
    if scope == "owner":
        return query.where(organizations.c.owner_id == user_id)
    return query.join(members, members.c.organization_id == organizations.c.id).where(
        members.c.user_id == user_id
    )


def select_members(organization_id: int) -> Query:
    """Return the query for the memberships of an organization with names and addresses."""
    return (
        sa.select(*_shown(users.c.name, users.c.email))
        .join(users, users.c.id == members.c.user_id)
        .where(members.c.organization_id == organization_id)
    )


def _shown(name: sa.ColumnElement[str], email: sa.ColumnElement[str]) -> tuple[sa.ColumnElement[Any], ...]:
    """Return the columns of a membership with its user, as it is listed."""
    membership = (members.c.id.label("membership_id"), members.c.role, members.c.joined_at, members.c.user_id)
    return (*membership, name, email, members.c.version)


def first_members(db: Session, organization_id: int) -> list[Row]:
    """Return the oldest memberships, at most :data:`MAX_EMBEDDED`."""
    query = select_members(organization_id).order_by(members.c.joined_at, members.c.id)
    return list(db.rows(query.limit(MAX_EMBEDDED)))


def create(db: Session, owner_id: int, name: str) -> tuple[Row, Row]:
    """Found an organization and return it with the membership of its owner, whose role is ``admin``."""
    row = db.write(sa.insert(organizations).values(name=name, owner_id=owner_id).returning(*PUBLIC)).one()
    insert = sa.insert(members).values(organization_id=row.id, user_id=owner_id, role=Role.ADMIN)
    name_of_owner, email_of_owner = (
        sa.select(column).where(users.c.id == owner_id).scalar_subquery().label(column.name)
        for column in (users.c.name, users.c.email)
    )
    return row, db.write(insert.returning(*_shown(name_of_owner, email_of_owner))).one()


def rename(db: Session, organization_id: int, name: str, versions: Versions) -> Row:
    """Give an organization another name.

    Raises ``Missing`` if somebody just deleted it, ``Refusal`` where it has none of the versions.
    """
    statement = (
        sa.update(organizations)
        .where(organizations.c.id == organization_id)
        .values(name=name, updated_at=utcnow())
        .returning(*PUBLIC)
    )
    row = write_if_match(db, statement, versions)
    if row is None:
        raise Missing("Organization not found")
    return row


def delete(db: Session, organization_id: int, versions: Versions) -> None:
    """Delete an organization and its memberships. Raises as :func:`rename`."""
    statement = sa.delete(organizations).where(organizations.c.id == organization_id)
    if write_if_match(db, statement.returning(organizations.c.id), versions) is None:
        raise Missing("Organization not found")


def add_member(db: Session, organization: Row, *, email: str, role: str, added_by: int) -> Row:
    """Make the user with this address a member.

    Raises ``Missing`` if there is no such user, ``Invalid`` if it is a member already.
    """
    user_id = db.scalar(sa.select(users.c.id).where(email_is(email)))
    if user_id is None:
        raise Missing("No user has this e-mail address")
    insert = db.insert(members).values(organization_id=organization.id, user_id=user_id, role=role)
    unless_there = insert.on_conflict_do_nothing(index_elements=["organization_id", "user_id"])
    row = db.write(unless_there.returning(*MEMBERSHIP)).first()
    if row is None:
        raise Invalid({"email": ["belongs to a member already"]}, "This user is already a member.")
    publish(
        MemberAdded(
            db=db,
            user_id=added_by,
            organization_id=organization.id,
            organization=organization.name,
            member_id=user_id,
            role=role,
        )
    )
    return row


def remove_member(db: Session, organization: Row, user_id: int, versions: Versions) -> None:
    """End a membership.

    Raises ``Invalid`` for the owner's own, ``Missing`` if there is none, ``Refusal`` where it has none of the
    versions.
    """
    if user_id == organization.owner_id:
        raise Invalid({}, "The owner cannot leave the organization; delete it instead.")
    statement = sa.delete(members).where(
        members.c.organization_id == organization.id, members.c.user_id == user_id
    )
    if write_if_match(db, statement.returning(members.c.id), versions) is None:
        raise Missing("Membership not found")
