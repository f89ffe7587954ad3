"""The application's registry as far as the web layer knows it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from scheduling.db.registry import DatabaseRegistry

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from marshmallow import Schema

    from scheduling.security.passwords import Passwords
    from scheduling.security.tokens import Tokens
    from scheduling.web.openapi.kept import OpenApi
    from scheduling.web.pages.files import StaticFiles
    from scheduling.web.readiness import Readiness


class WebRegistry(DatabaseRegistry):
    """What requests need beside the database."""

    tokens: Tokens
    """Makes and checks access tokens."""

    passwords: Passwords
    """Hashes and checks passwords."""

    api_resources: dict[str, Callable[..., Any]]
    """What makes the children of ``/api/v1``, by name: ``web.resources.ResourceFactory``."""

    api_resource_claims: dict[str, str]
    """Who added each of them, as an operator knows it."""

    added_children: list[Any]
    """What plugins added below resources of others: ``web.resources.AddedChild``."""

    children: dict[type, Mapping[str, Callable[..., Any]]]
    """All children of a class, once something has asked for them."""

    members: dict[str, dict[str, Any]]
    """What plugins added to bodies and answers: ``web.members.Member``, by the thing's word and the key."""

    extended_schemas: dict[type[Schema], type[Schema]]
    """The schemas with these members, once something has asked for them."""

    operation_ids: dict[str, Any]
    """The view, and its attribute if it is a class, that gave itself an ``operation_id``."""

    openapi: OpenApi
    """The document that describes the API."""

    readiness: Readiness
    """Tells whether requests should come to this process."""

    static_files: StaticFiles
    """The files that pages load."""
