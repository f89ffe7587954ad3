"""The version of each organization and membership."""

from scheduling.plugin import add_version, drop_version

revision = "organizations_0002"
down_revision = "organizations_0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    add_version("organizations")
    add_version("organization_members")


def downgrade() -> None:
    drop_version("organization_members")
    drop_version("organizations")
