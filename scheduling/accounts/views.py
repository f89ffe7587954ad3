"""The account calls."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pyramid.security import NO_PERMISSION_REQUIRED
from pyramid.view import view_config

from scheduling.accounts import credentials, service
from scheduling.accounts.events import LoggedIn, LoginFailed
from scheduling.accounts.guesses import Guess
from scheduling.accounts.models import users
from scheduling.accounts.resources import Auth, Me, Users
from scheduling.accounts.schemas import (
    Credentials,
    LoginAnswer,
    Logout,
    PasswordChange,
    PasswordChanged,
    ProfileAnswer,
    ProfilePatch,
    ProfileUpdated,
    Registration,
    RegistrationAnswer,
    TokenVerified,
    UserAnswer,
    UserQuery,
)
from scheduling.accounts.search import BY_TERM, range_of
from scheduling.events import publish
from scheduling.exceptions import Invalid
from scheduling.security.permissions import Permission
from scheduling.security.tokens import ACCOUNT_GONE
from scheduling.web import codes
from scheduling.web.pagination import Keyset, Page, paginate
from scheduling.web.problems import problem
from scheduling.web.responses import set_etag
from scheduling.web.schemas import Done

if TYPE_CHECKING:
    from pyramid.response import Response

    from scheduling.db.metadata import Row
    from scheduling.web.request import Request

NEWEST_FIRST = Keyset((users.c.created_at, users.c.id), (True, True))
WRONG_PASSWORD = "The current password is wrong."  # noqa: S105 - it is a sentence


@view_config(
    context=Auth,
    name="register",
    request_method="POST",
    permission=NO_PERMISSION_REQUIRED,
    schema=Registration,
    status=201,
    location="/api/v1/users/me",
    rate_limit="registration",
    response=RegistrationAnswer,
    operation_id="register",
    idempotent=False,
)
def register(context: Auth, request: Request) -> dict[str, Any]:
    """Create an account and log in."""
    sent = request.validated
    hashed = request.registry.passwords.hash(sent["password"])
    user = service.register(request.db, name=sent["name"], email=sent["email"], password_hash=hashed)
    Guess(request).note_registration(user.email, user.id)
    return {
        "message": "Account created",
        "token": request.registry.tokens.issue(user, user.read_at),
        "user": {"id": user.id, "name": user.name, "email": user.email},
    }


@view_config(
    context=Auth,
    name="login",
    request_method="POST",
    permission=NO_PERMISSION_REQUIRED,
    schema=Credentials,
    response=LoginAnswer,
    errors=(codes.UNAUTHENTICATED, codes.RATE_LIMITED),
    operation_id="log_in",
    idempotent=False,
)
def login(context: Auth, request: Request) -> dict[str, Any] | Response:
    """Exchange address and password for a token."""
    found, user = credentials.log_in(request, request.validated["email"], request.validated["password"])
    if user is None:
        publish(LoginFailed(db=request.db, user_id=found.id if found else None))
        return problem(request, 401, "Invalid credentials")
    publish(LoggedIn(db=request.db, user_id=user.id))
    return {
        "message": "Logged in",
        "token": request.registry.tokens.issue(user, user.read_at),
        "user": _profile(user),
    }


@view_config(
    context=Auth,
    name="logout",
    request_method="POST",
    permission=Permission.EDIT,
    schema=Logout,
    response=Done,
    operation_id="log_out",
)
def logout(context: Auth, request: Request) -> dict[str, Any]:
    """Log out; with ``everywhere``, end all my tokens."""
    if request.validated["everywhere"]:
        request.registry.tokens.cut_off(request.db, request.identity.id)
        return {"message": "Logged out everywhere"}
    return {"message": "Logged out"}


@view_config(
    context=Auth,
    name="verify",
    request_method="GET",
    permission=Permission.VIEW,
    response=TokenVerified,
    operation_id="verify_token",
)
def verify(context: Auth, request: Request) -> dict[str, Any] | Response:
    """Tell whether the token still holds, and whose it is now."""
    user = service.find(request.db, request.identity.id)
    return {"valid": True, "user": _profile(user)} if user else problem(request, 401, ACCOUNT_GONE)


@view_config(
    context=Me,
    request_method="GET",
    permission=Permission.VIEW,
    etag=True,
    response=ProfileAnswer,
    operation_id="get_me",
)
def show(context: Me, request: Request) -> Row | Response:
    """Show my account."""
    return service.find_profile(request.db, request.identity.id) or problem(request, 401, ACCOUNT_GONE)


@view_config(
    context=Me,
    request_method="PATCH",
    permission=Permission.EDIT,
    schema=ProfilePatch,
    if_match=True,
    response=ProfileUpdated,
    errors=(codes.RATE_LIMITED,),
    operation_id="update_me",
)
def update(context: Me, request: Request) -> dict[str, Any] | Response:
    """Change my name, address or time zone; where the setting says so, the address only with my password."""
    changes = {name: value for name, value in request.validated.items() if name != "current_password"}
    if not _may_change_address(request):
        return problem(request, 401, WRONG_PASSWORD)
    user = service.update_profile(request.db, request.identity.id, changes, request.expected_versions)
    if user is None:
        return problem(request, 401, ACCOUNT_GONE)
    set_etag(request, user)
    return {"message": "Profile updated", "user": user}


@view_config(
    context=Me,
    name="password",
    request_method="PATCH",
    permission=Permission.EDIT,
    schema=PasswordChange,
    response=PasswordChanged,
    errors=(codes.RATE_LIMITED,),
    operation_id="change_password",
    idempotent=False,
)
def change_password(context: Me, request: Request) -> dict[str, Any] | Response:
    """Change my password, end all my tokens and give me a fresh one."""
    sent, tokens = request.validated, request.registry.tokens
    me, changed = credentials.change_password(
        request, request.identity.id, sent["current_password"], sent["new_password"]
    )
    if me is None:
        return problem(request, 401, ACCOUNT_GONE)
    if changed is None:
        return problem(request, 401, WRONG_PASSWORD)
    cutoff = tokens.cut_off(request.db, changed.id)
    return {
        "message": "Password changed",
        "token": tokens.issue(changed, cutoff),
    }


@view_config(
    context=Users,
    request_method="GET",
    permission=Permission.LIST,
    query=UserQuery,
    response=UserAnswer(many=True),
)
def index(context: Users, request: Request) -> Page:
    """List users, newest first; ``q`` finds those with a word of the name or address that begins so.

    Who is found by ``q`` comes in the order of the words that were found.
    """
    sought = request.validated.get("q")
    if sought is None:
        return paginate(request, service.select_user, NEWEST_FIRST)
    return paginate(request, service.select_found, BY_TERM, parameters=range_of(sought))


def _may_change_address(request: Request) -> bool:
    """Return True where no password is asked for, or the right one was sent; False for a wrong one.

    Raises ``Invalid`` where one is asked for and none was sent. A right one stays so until the commit.
    """
    address = request.validated.get("email")
    if address is None or not request.registry.core_settings.email_change_needs_password:
        return True
    me = service.find(request.db, request.identity.id)
    if me is None or me.email == address:
        return True
    password = request.validated.get("current_password")
    if password is None:
        raise Invalid({"currentPassword": ["is required"]})
    return credentials.confirm(request, me.id, password)


def _profile(user: Row) -> dict[str, Any]:
    return {"id": user.id, "name": user.name, "email": user.email, "role": user.role}
