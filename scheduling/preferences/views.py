"""The calls of preferences."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pyramid.view import view_config

from scheduling.preferences import service
from scheduling.preferences.resources import Preferences
from scheduling.preferences.schemas import PreferencesAnswer, PreferencesPatch
from scheduling.security.permissions import Permission
from scheduling.security.tokens import ACCOUNT_GONE
from scheduling.web.problems import problem
from scheduling.web.responses import set_etag

if TYPE_CHECKING:
    from pyramid.response import Response

    from scheduling.web.request import Request


@view_config(
    context=Preferences,
    request_method="GET",
    permission=Permission.VIEW,
    etag=True,
    response=PreferencesAnswer,
    operation_id="get_preferences",
)
def show(context: Preferences, request: Request) -> dict[str, Any] | Response:
    """Show my preferences."""
    mine = service.find(request.db, request.identity.id)
    return problem(request, 401, ACCOUNT_GONE) if mine is None else service.shown(mine)


@view_config(
    context=Preferences,
    request_method="PATCH",
    permission=Permission.EDIT,
    schema=PreferencesPatch,
    if_match=True,
    response=PreferencesAnswer,
    operation_id="update_preferences",
)
def update(context: Preferences, request: Request) -> dict[str, Any] | Response:
    """Change some of my preferences; of notices, those channels of those types that are sent."""
    mine = service.change(request.db, request.identity.id, request.members, request.expected_versions)
    if mine is None:
        return problem(request, 401, ACCOUNT_GONE)
    answer = service.shown(mine)
    set_etag(request, answer)
    return answer
