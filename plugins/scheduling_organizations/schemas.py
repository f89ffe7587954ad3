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
    Version,
)

_NAME = {"examples": ["Example Ltd"]}
_USER_NAME = {"examples": ["Alice"]}
_EMAIL = {"examples": ["alice@example.com"]}


class OrganizationName(RequestSchema):
    """An organization that somebody wants, or its other name."""

    name = OneLine(limit=100, required=True, metadata=_NAME)


class OrganizationQuery(PageQuery):
    """``GET /organizations``: those that I own, or with ``scope=member`` those that I belong to."""

    scope = Choice(
        "owner",
        "member",
        load_default="owner",
        metadata={"description": "`owner`: those that I own; `member`: those that I belong to."},
    )


class NewMember(RequestSchema):
    """Who becomes a member, and with which role."""

    email = EmailAddress(required=True)
    role = Choice(*Role, load_default=Role.MEMBER.value)


class MemberAnswer(AnswerSchema):
    """A membership with its user, as it is listed."""

    membership_id = fields.Integer()
    role = Choice(*Role)
    joined_at = Moment()
    user_id = fields.Integer()
    name = fields.String(metadata=_USER_NAME)
    email = fields.String(metadata=_EMAIL)
    version = Version()


class MembershipAnswer(AnswerSchema):
    """A membership as it is answered when it was added."""

    id = fields.Integer()
    organization_id = fields.Integer()
    user_id = fields.Integer()
    role = Choice(*Role)
    joined_at = Moment()
    version = Version()


class OrganizationAnswer(AnswerSchema):
    """An organization."""

    id = fields.Integer()
    name = fields.String(metadata=_NAME)
    owner_id = fields.Integer()
    created_at = Moment()
    updated_at = Moment()
    version = Version()


class OrganizationWithMembers(OrganizationAnswer):
    """An organization with the oldest of its memberships."""

    members = fields.List(fields.Nested(MemberAnswer))


class OrganizationDone(Done):
    """What was done with an organization, and the organization as it is now."""

    organization = fields.Nested(OrganizationAnswer)


class MemberAdded(Done):
    """That a member was added, and the membership."""

    member = fields.Nested(MembershipAnswer)
