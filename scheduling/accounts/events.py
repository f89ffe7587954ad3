"""What happens to accounts."""

from dataclasses import dataclass
from typing import Any, ClassVar

from scheduling.events import Activity


@dataclass(frozen=True, kw_only=True)
class UserRegistered(Activity):
    """Somebody has a new account."""

    activity_type: ClassVar[str] = "USER_REGISTERED"
    user_id: int
    name: str


@dataclass(frozen=True, kw_only=True)
class LoggedIn(Activity):
    """Somebody logged in."""

    activity_type: ClassVar[str] = "LOGIN"
    user_id: int


@dataclass(frozen=True, kw_only=True)
class LoginFailed(Activity):
    """Somebody tried to log in with a wrong password, or to an account that does not exist."""

    activity_type: ClassVar[str] = "LOGIN_FAILED"
    reason: str = "invalid credentials"

    def metadata(self) -> dict[str, Any]:
        """Return why it failed; never the address that was tried, which may be somebody's password."""
        return {"reason": self.reason}
