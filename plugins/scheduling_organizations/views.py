"""The organization calls."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pyramid.view import view_config

from scheduling.plugin import Done, Keyset, Page, PageQuery, Permission, codes, paginate, set_etag
from scheduling_organizations import service
from scheduling_organizations.models import organization_members, organizations
from scheduling_organizations.resources import Member, Members, Organization, Organizations
from scheduling_organizations.schemas import (
    MemberAdded,
    MemberAnswer,
    NewMember,
    OrganizationAnswer,
    OrganizationDone,
    OrganizationName,
    OrganizationQuery,
    OrganizationWithMembers,
)

if TYPE_CHECKING:
    from scheduling.plugin import Request

NEWEST_FIRST = Keyset((organizations.c.created_at, organizations.c.id), (True, True))
OLDEST_FIRST = Keyset((organization_members.c.joined_at, organization_members.c.id), (False, False))


@view_config(
    context=Organizations,
    request_method="POST",
    permission=Permission.CREATE,
    schema=OrganizationName,
    status=201,
    location="/api/v1/organizations/{organization.id}",
    etag=True,
    response=OrganizationDone,
)
def create(context: Organizations, request: Request) -> dict[str, Any]:
    """Create an organization."""
    row, owner = service.create(request.db, request.identity.id, request.validated["name"])
    set_etag(request, row._asdict() | {"members": [owner]})
    return {"message": "Organization created", "organization": row}


@view_config(
    context=Organizations,
    request_method="GET",
    permission=Permission.LIST,
    query=OrganizationQuery,
    response=OrganizationAnswer(many=True),
)
def index(context: Organizations, request: Request) -> Page:
    """List my organizations, newest first."""
    query = service.select_of_user(request.identity.id, request.validated["scope"])
    return paginate(request, query, NEWEST_FIRST)


@view_config(
    context=Organization,
    request_method="GET",
    permission=Permission.VIEW,
    etag=True,
    response=OrganizationWithMembers,
)
def show(context: Organization, request: Request) -> dict[str, Any]:
    """Show an organization with its members."""
    shown: dict[str, Any] = context.row._asdict()
    del shown["sender_is_member"]
    return _with_members(request, shown)


@view_config(
    context=Organization,
    request_method="PATCH",
    permission=Permission.EDIT,
    schema=OrganizationName,
    if_match=True,
    response=OrganizationDone,
)
def rename(context: Organization, request: Request) -> dict[str, Any]:
    """Give an organization another name."""
    row = service.rename(request.db, context.id, request.validated["name"], request.expected_versions)
    set_etag(request, _with_members(request, row._asdict()))
    return {"message": "Organization updated", "organization": row}


@view_config(
    context=Organization,
    request_method="DELETE",
    permission=Permission.DELETE,
    if_match=True,
    response=Done,
)
def delete(context: Organization, request: Request) -> dict[str, Any]:
    """Delete an organization and its memberships."""
    service.delete(request.db, context.id, request.expected_versions)
    return {"message": "Organization deleted"}


@view_config(
    context=Members,
    request_method="POST",
    permission=Permission.CREATE,
    schema=NewMember,
    status=201,
    location="/api/v1/organizations/{member.organization_id}/members/{member.user_id}",
    etag=True,
    response=MemberAdded,
    operation_id="add_member",
)
def add_member(context: Members, request: Request) -> dict[str, Any]:
    """Add a user by its e-mail address."""
    row = service.add_member(
        request.db, context.__parent__.row, **request.validated, added_by=request.identity.id
    )
    set_etag(request, row)
    return {"message": "Member added", "member": row}


@view_config(
    context=Members,
    request_method="GET",
    permission=Permission.VIEW,
    query=PageQuery,
    response=MemberAnswer(many=True),
    operation_id="list_members",
)
def list_members(context: Members, request: Request) -> Page:
    """List the members, oldest membership first."""
    return paginate(request, service.select_members(context.__parent__.id), OLDEST_FIRST)


@view_config(
    context=Member,
    request_method="DELETE",
    permission=Permission.DELETE,
    if_match=True,
    response=Done,
    errors=(codes.INVALID,),
    operation_id="remove_member",
)
def remove_member(context: Member, request: Request) -> dict[str, Any]:
    """End a membership."""
    organization = context.__parent__.__parent__.row
    service.remove_member(request.db, organization, context.id, request.expected_versions)
    return {"message": "Member removed"}


def _with_members(request: Request, organization: dict[str, Any]) -> dict[str, Any]:
    """Return an organization as it is shown."""
    return organization | {"members": service.first_members(request.db, organization["id"])}
