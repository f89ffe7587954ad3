"""What happens to organizations; other plugins may subscribe."""

from dataclasses import dataclass
from typing import Any, ClassVar

from scheduling.plugin import Activity


@dataclass(frozen=True, kw_only=True)
class MembershipEvent(Activity):
    """Something happened to the membership of ``member_id``, done by ``user_id``."""

    user_id: int
    organization_id: int
    organization: str
    member_id: int
    role: str

    def metadata(self) -> dict[str, Any]:
        """Return which membership it was."""
        return {"organization_id": self.organization_id, "member_id": self.member_id, "role": self.role}


@dataclass(frozen=True, kw_only=True)
class MemberAdded(MembershipEvent):
    """Somebody was added to an organization by its owner."""

    activity_type: ClassVar[str] = "MEMBER_ADDED"
