"""Permissions, roles, and the principals for which ACLs name them."""

from __future__ import annotations

from enum import StrEnum


class Permission(StrEnum):
    """Everything that can be allowed on a resource."""

    LIST = "list"
    VIEW = "view"
    CREATE = "create"
    EDIT = "edit"
    DELETE = "delete"


class Role(StrEnum):
    """A user's role on the whole site."""

    MEMBER = "member"
    ADMIN = "admin"


SITE_ADMIN = f"role:{Role.ADMIN}"
"""The principal of every site admin, for ACLs."""


def user_principal(user_id: int) -> str:
    """Return the principal of one user, for ACLs."""
    return f"user:{user_id}"
