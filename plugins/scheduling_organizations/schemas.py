"""What the organization calls read and answer."""

from marshmallow import fields

from scheduling.plugin import (
    AnswerSchema,
    Choice,
    Done,
    EmailAddress,
    Moment,
    OneLine,
    PageQuery,
    RequestSchema,
    Role,
)


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


class MemberAnswer(AnswerSchema):
    """A membership with its user, as it is listed."""

    membership_id = fields.Integer()
    role = Choice(*Role)
    joined_at = Moment()
    user_id = fields.Integer()
    name = fields.String()
    email = fields.String()


class MembershipAnswer(AnswerSchema):
    """A membership as it is answered when it was added."""

    id = fields.Integer()
    organization_id = fields.Integer()
    user_id = fields.Integer()
    role = Choice(*Role)
    joined_at = Moment()


class OrganizationAnswer(AnswerSchema):
    """An organization."""

    id = fields.Integer()
    name = fields.String()
    owner_id = fields.Integer()
    created_at = Moment()
    updated_at = Moment()


class OrganizationWithMembers(OrganizationAnswer):
    """An organization with the oldest of its memberships."""

    members = fields.List(fields.Nested(MemberAnswer))


class OrganizationDone(Done):
    """What was done with an organization, and the organization as it is now."""

    organization = fields.Nested(OrganizationAnswer)


class MemberAdded(Done):
    """``POST /organizations/{id}/members``."""

    member = fields.Nested(MembershipAnswer)
