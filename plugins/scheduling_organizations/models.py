"""The tables of organizations and of their members."""

from datetime import datetime

import sqlalchemy as sa

from scheduling.plugin import BigId, Timestamp, metadata, users, utcnow, version_column


class OrganizationColumns(sa.TypedColumns):
    """A group of users; it goes with its owner's account."""

    id: sa.Named[int] = sa.Column(BigId, primary_key=True)
    name: sa.Named[str] = sa.Column(sa.String(255), nullable=False)
    owner_id: sa.Named[int] = sa.Column(BigId, sa.ForeignKey(users.c.id, ondelete="CASCADE"), nullable=False)
    created_at: sa.Named[datetime] = sa.Column(
        Timestamp, nullable=False, default=utcnow, server_default=sa.func.now()
    )
    updated_at: sa.Named[datetime] = sa.Column(
        Timestamp, nullable=False, default=utcnow, server_default=sa.func.now(), onupdate=utcnow
    )
    version: sa.Named[int] = version_column()


organizations = sa.Table("organizations", metadata, OrganizationColumns, sqlite_autoincrement=True)
sa.Index(
    "ix_organizations_owner_id_created_at_id",
    organizations.c.owner_id,
    organizations.c.created_at,
    organizations.c.id,
)


class MemberColumns(sa.TypedColumns):
    """A user's membership in an organization, at most one."""

    id: sa.Named[int] = sa.Column(BigId, primary_key=True)
    organization_id: sa.Named[int] = sa.Column(
        BigId, sa.ForeignKey(organizations.c.id, ondelete="CASCADE"), nullable=False
    )
    user_id: sa.Named[int] = sa.Column(
        BigId, sa.ForeignKey(users.c.id, ondelete="CASCADE"), nullable=False, index=True
    )
    role: sa.Named[str] = sa.Column(sa.String(50), nullable=False, server_default="member")
    joined_at: sa.Named[datetime] = sa.Column(
        Timestamp, nullable=False, default=utcnow, server_default=sa.func.now()
    )
    version: sa.Named[int] = version_column()


organization_members = sa.Table(
    "organization_members",
    metadata,
    MemberColumns,
    sa.UniqueConstraint("organization_id", "user_id"),
    sqlite_autoincrement=True,
)
sa.Index(
    "ix_organization_members_organization_id_joined_at_id",
    organization_members.c.organization_id,
    organization_members.c.joined_at,
    organization_members.c.id,
)
