"""What the account calls read and answer."""

from marshmallow import ValidationError, fields, validate

from scheduling.security.passwords import MAX_BYTES, MIN_CHARACTERS, fits
from scheduling.security.permissions import Role
from scheduling.web.pagination import PageQuery
from scheduling.web.schemas import (
    AnswerSchema,
    Choice,
    Done,
    EmailAddress,
    Flag,
    Moment,
    OneLine,
    PatchSchema,
    RequestSchema,
    Secret,
    Text,
)


def _fits_bcrypt(password: str) -> None:
    if not fits(password):
        raise ValidationError(f"must have at most {MAX_BYTES} bytes")


NEW_PASSWORD = (
    validate.Length(min=MIN_CHARACTERS, error="must have at least {min} characters"),
    _fits_bcrypt,
)


_NAME = {"examples": ["Alice"]}


class Registration(RequestSchema):
    """``POST /auth/register``."""

    name = OneLine(required=True, metadata=_NAME)
    email = EmailAddress(required=True)
    password = Secret(required=True, validate=NEW_PASSWORD)


class Credentials(RequestSchema):
    """``POST /auth/login``."""

    email = fields.String(
        required=True,
        error_messages={"invalid": "must be a string"},
        metadata={"examples": ["alice@example.com"]},
    )
    password = Secret(required=True)


class Logout(RequestSchema):
    """``POST /auth/logout``."""

    everywhere = Flag(load_default=False)


class ProfilePatch(PatchSchema):
    """``PATCH /users/me``; with the setting ``email_change_needs_password`` an address needs the password."""

    name = OneLine(metadata=_NAME)
    email = EmailAddress()
    current_password = Secret(data_key="currentPassword")


class NewPassword(RequestSchema):
    """What ``scheduling user set-password`` is given."""

    password = Secret(required=True, validate=NEW_PASSWORD)


class PasswordChange(RequestSchema):
    """``PATCH /users/me/password``."""

    current_password = Secret(required=True, data_key="currentPassword")
    new_password = Secret(required=True, data_key="newPassword", validate=NEW_PASSWORD)


class UserQuery(PageQuery):
    """``GET /users``; ``q`` is how a word of a name or of an address begins."""

    q = Text()


class NewAccountAnswer(AnswerSchema):
    """An account as it is answered to who has just registered it."""

    id = fields.Integer()
    name = fields.String()
    # No EmailAddress: an account may be older than the rules for addresses.
    email = fields.String()


class AccountAnswer(NewAccountAnswer):
    """An account as it is answered to who logs in."""

    role = Choice(*Role)


class UserAnswer(AccountAnswer):
    """A user."""

    created_at = Moment()


class ProfileAnswer(UserAnswer):
    """A user as it is answered to itself."""

    email_deliverable = fields.Boolean()


class RegistrationAnswer(Done):
    """``POST /auth/register``."""

    token = fields.String()
    user = fields.Nested(NewAccountAnswer)


class LoginAnswer(Done):
    """``POST /auth/login``."""

    token = fields.String()
    user = fields.Nested(AccountAnswer)


class TokenVerified(AnswerSchema):
    """``GET /auth/verify``."""

    valid = fields.Constant(True)
    user = fields.Nested(AccountAnswer)


class ProfileUpdated(Done):
    """``PATCH /users/me``."""

    user = fields.Nested(ProfileAnswer)


class PasswordChanged(Done):
    """``PATCH /users/me/password``."""

    token = fields.String()
