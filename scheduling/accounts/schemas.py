"""What the account calls read."""

from marshmallow import ValidationError, fields, validate

from scheduling.security.passwords import MAX_BYTES, MIN_CHARACTERS, fits
from scheduling.web.schemas import EmailAddress, Flag, OneLine, PatchSchema, RequestSchema, Secret


def _fits_bcrypt(password: str) -> None:
    if not fits(password):
        raise ValidationError(f"must have at most {MAX_BYTES} bytes")


NEW_PASSWORD = (
    validate.Length(min=MIN_CHARACTERS, error="must have at least {min} characters"),
    _fits_bcrypt,
)


class Registration(RequestSchema):
    """``POST /auth/register``."""

    name = OneLine(required=True)
    email = EmailAddress(required=True)
    password = Secret(required=True, validate=NEW_PASSWORD)


class Credentials(RequestSchema):
    """``POST /auth/login``."""

    email = fields.String(required=True, error_messages={"invalid": "must be a string"})
    password = Secret(required=True)


class Logout(RequestSchema):
    """``POST /auth/logout``."""

    everywhere = Flag(load_default=False)


class ProfilePatch(PatchSchema):
    """``PATCH /users/me``."""

    name = OneLine()
    email = EmailAddress()


class PasswordChange(RequestSchema):
    """``PATCH /users/me/password``."""

    current_password = Secret(required=True, data_key="currentPassword")
    new_password = Secret(required=True, data_key="newPassword", validate=NEW_PASSWORD)
