"""What the organization calls read."""

from scheduling.plugin import Choice, EmailAddress, OneLine, PageQuery, RequestSchema, Role


class OrganizationName(RequestSchema):
    """``POST /organizations`` and ``PATCH /organizations/{id}``."""

    name = OneLine(limit=100, required=True)


class OrganizationQuery(PageQuery):
    """``GET /organizations``: those that I own, or with ``scope=member`` those that I belong to."""

    scope = Choice("owner", "member", load_default="owner")


class NewMember(RequestSchema):
    """``POST /organizations/{id}/members``."""

    email = EmailAddress(required=True)
    role = Choice(*Role, load_default=Role.MEMBER.value)
