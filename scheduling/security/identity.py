"""Who a verified token speaks for."""

from __future__ import annotations

from dataclasses import dataclass

from pyramid.authorization import Authenticated, Everyone

from scheduling.security.permissions import user_principal


@dataclass(frozen=True)
class Identity:
    """Who a verified token speaks for. Role and id hold, since a change of role ends older tokens."""

    id: int
    role: str

    @property
    def principals(self) -> tuple[str, ...]:
        """The names by which ACLs know this user."""
        return (Everyone, Authenticated, user_principal(self.id), f"role:{self.role}")
