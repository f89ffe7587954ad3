"""Who sends a request, and what they may do: identity, permissions and the policy between them.

A permission says what is done, a resource's ``__acl__`` who may do it there. Nothing is allowed that no
ACL allows, and nobody without an identity gets as far as an ACL, so that no row is loaded for them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pyramid.authorization import ACLHelper
from pyramid.security import Denied

from scheduling.security.identity import Identity
from scheduling.security.tokens import TokenError, TokenExpired, TokenRevoked
from scheduling.web.codes import TOKEN_EXPIRED, TOKEN_REVOKED, UNAUTHENTICATED

if TYPE_CHECKING:
    from pyramid.config import Configurator

    from scheduling.web.registry import WebRegistry
    from scheduling.web.request import Request


_CODES = {TokenExpired: TOKEN_EXPIRED, TokenRevoked: TOKEN_REVOKED}


class SecurityPolicy:
    """Bearer tokens (RFC 6750) for the identity, ACLs along the resource tree for the permission."""

    def __init__(self, registry: WebRegistry) -> None:
        self._tokens = registry.tokens
        self._acl = ACLHelper()

    def identity(self, request: Request) -> Identity | None:
        """Return who sends the request, or None, with the reason in ``request.token_error``."""
        scheme, _, token = request.environ.get("HTTP_AUTHORIZATION", "").partition(" ")
        if scheme.lower() != "bearer":
            return None
        try:
            claims = self._tokens.verify(token.strip(), request.db)
        except TokenError as error:
            request.token_error = str(error)
            request.token_code = _CODES.get(type(error), UNAUTHENTICATED)
            return None
        return Identity(claims.user_id, claims.role)

    def authenticated_userid(self, request: Request) -> str | None:
        """Return the user's id as text, as Pyramid wants it."""
        return str(request.identity.id) if request.identity else None

    def permits(self, request: Request, context: Any, permission: str) -> Any:
        """Ask the ACLs of the context and its parents, but only for somebody who is known."""
        if request.identity is None:
            return Denied("nobody is known to send this request")
        return self._acl.permits(context, request.identity.principals, permission)

    def remember(self, request: Request, userid: str, **options: Any) -> list[tuple[str, str]]:
        """Return no headers: a token is part of the answer's body."""
        return []

    def forget(self, request: Request, **options: Any) -> list[tuple[str, str]]:
        """Return no headers: the client forgets its token."""
        return []


def includeme(config: Configurator) -> None:
    """Set the policy, and a default permission that no ACL grants, so that a forgotten one fails closed."""
    config.set_security_policy(SecurityPolicy(config.registry))
    config.set_default_permission("nobody")
