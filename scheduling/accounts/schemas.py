"""What the account calls read and answer."""

from marshmallow import ValidationError, fields, validate

from scheduling.config.fields import ZoneName
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
    Version,
)


def _fits_bcrypt(password: str) -> None:
    if not fits(password):
        raise ValidationError(f"must have at most {MAX_BYTES} bytes")


NEW_PASSWORD = (
    validate.Length(min=MIN_CHARACTERS, error="must have at least {min} characters"),
    _fits_bcrypt,
)


_NAME = {"examples": ["Alice"]}
_ZONE = {"description": "A name of the IANA database.", "examples": ["Europe/Berlin"]}
_EMAIL = {"examples": ["alice@example.com"]}
_TOKEN = {
    "description": "What `Authorization: Bearer …` is to have.",
    "examples": ["eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.Xk3v9d0f"],
}
_BYTES = f"At most {MAX_BYTES} bytes in UTF-8, as it is sent and in Unicode's NFC."


class Registration(RequestSchema):
    """Who wants an account."""

    name = OneLine(required=True, metadata=_NAME)
    email = EmailAddress(required=True)
    password = Secret(required=True, validate=NEW_PASSWORD, metadata={"description": _BYTES})


class Credentials(RequestSchema):
    """An address with its password."""

    email = fields.String(
        required=True,
        error_messages={"invalid": "must be a string"},
        metadata=_EMAIL,
    )
    password = Secret(required=True)


class Logout(RequestSchema):
    """Which tokens end."""

    everywhere = Flag(
        load_default=False,
        metadata={"description": "End all tokens of the account; otherwise the client forgets its token."},
    )


class ProfilePatch(PatchSchema):
    """What changes of an account; the rest stays.

    Where an installation asks for it, another address needs the password.
    """

    name = OneLine(metadata=_NAME)
    email = EmailAddress()
    time_zone = ZoneName(metadata=_ZONE)
    current_password = Secret(data_key="currentPassword")


class NewPassword(RequestSchema):
    """What ``scheduling user set-password`` is given."""

    password = Secret(required=True, validate=NEW_PASSWORD)


class PasswordChange(RequestSchema):
    """The password, and the one that is to hold instead."""

    current_password = Secret(required=True, data_key="currentPassword")
    new_password = Secret(
        required=True,
        data_key="newPassword",
        validate=NEW_PASSWORD,
        metadata={"description": _BYTES, "examples": ["another horse, another battery"]},
    )


class UserQuery(PageQuery):
    """``GET /users``."""

    q = Text(metadata={"description": "How a word of the name or address begins, in whichever case."})


class NewAccountAnswer(AnswerSchema):
    """An account as it is answered to who has just registered it."""

    id = fields.Integer()
    name = fields.String(metadata=_NAME)
    # No EmailAddress: an account may be older than the rules for addresses.
    email = fields.String(metadata=_EMAIL)


class AccountAnswer(NewAccountAnswer):
    """An account as it is answered to who logs in."""

    role = Choice(*Role)


class UserAnswer(AccountAnswer):
    """A user."""

    time_zone = fields.String(metadata=_ZONE)
    created_at = Moment()
    version = Version()


class ProfileAnswer(UserAnswer):
    """A user as it is answered to itself."""

    email_deliverable = fields.Boolean(
        metadata={"description": "False where nothing is mailed to the address any more."}
    )


class RegistrationAnswer(Done):
    """A new account, with a token."""

    token = fields.String(metadata=_TOKEN)
    user = fields.Nested(NewAccountAnswer)


class LoginAnswer(Done):
    """A token, and whose it is."""

    token = fields.String(metadata=_TOKEN)
    user = fields.Nested(AccountAnswer)


class TokenVerified(AnswerSchema):
    """That a token holds, and whose it is."""

    valid = fields.Constant(True)
    user = fields.Nested(AccountAnswer)


class ProfileUpdated(Done):
    """That the account was changed, and the account as it is now."""

    user = fields.Nested(ProfileAnswer)


class PasswordChanged(Done):
    """That the password was changed, and a token, since all others have ended."""

    token = fields.String(metadata=_TOKEN)
