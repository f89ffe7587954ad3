"""Every problem has a code, by which programs tell why a call failed."""

from datetime import timedelta

import orjson
import pytest
import sqlalchemy as sa

from scheduling.accounts.models import users
from scheduling.accounts.service import FOR_TOKEN
from scheduling.db.session import session_scope
from scheduling.exceptions import StartupError
from scheduling.testing import Site
from scheduling.web import codes
from scheduling.web.codes import catalogue
from scheduling.web.problems import problem_document
from tests.web.every_answer import every_kind_of_answer

STORM = 'Code("storm", 409, "There is a storm.")'
INCLUDEME = f"""
from pyramid.httpexceptions import HTTPGone
from pyramid.security import NO_PERMISSION_REQUIRED
from scheduling.plugin import Code, Refusal, Resource, problem
storm = {STORM}
config.add_problem_code(storm)
config.add_api_resource("storms", Resource)
def view(name):
    return lambda function: config.add_view(
        function, context=Resource, name=name, request_method="GET", permission=NO_PERMISSION_REQUIRED)
@view("raised")
def raised(context, request):
    raise Refusal(storm, "It storms.")
@view("returned")
def returned(context, request):
    return problem(request, 409, "It storms.", code=storm)
@view("plain")
def plain(context, request):
    return problem(request, 409, "It storms.")
@view("gone")
def gone(context, request):
    raise HTTPGone("It is gone.")
"""


@pytest.fixture
def stormy(install_plugin, tmp_path):
    """A site with a plugin that has a code of its own."""
    install_plugin("acme", includeme=INCLUDEME)
    site = Site(f"sqlite:///{tmp_path}/codes.db", ["acme"])
    yield site
    site.close()


@pytest.mark.parametrize(
    ("word", "status"), [("Storm", 409), ("a storm", 409), ("", 409), ("storm", 200), ("storm", "409")]
)
def test_a_code_is_a_word_and_the_status_of_an_error(word, status):
    with pytest.raises(ValueError, match=r"word|status"):
        codes.Code(word, status, "There is a storm.")


def test_every_kind_of_problem_has_its_code(site):
    words = {
        name.partition(" ")[0]: answer.json["code"]
        for name, answer in every_kind_of_answer(site).items()
        if answer.status_int >= 400
    }
    assert words == {
        "400": "invalid",
        "401": "unauthenticated",
        "403": "forbidden",
        "404": "not_found",
        "405": "method_not_allowed",
        "409": "booking_cancelled",
        "413": "too_large",
        "415": "unsupported_media_type",
    }


def test_a_token_that_was_revoked_says_so(site):
    alice = site.user()
    alice.post("/auth/logout", {"everywhere": True}, status=200)
    assert alice.get("/users/me", status=401).json["code"] == "token_revoked"
    alice.token = "no token"
    assert alice.get("/users/me", status=401).json["code"] == "unauthenticated"


def test_a_token_that_has_expired_says_so(site):
    alice = site.user()
    with session_scope(site.registry) as db:
        user = db.row(sa.select(*FOR_TOKEN).where(users.c.id == alice.id))
    alice.token = site.registry.tokens.issue(user, user.read_at - timedelta(days=8))
    assert alice.get("/users/me", status=401).json["code"] == "token_expired"


@pytest.mark.parametrize(
    ("name", "status", "word"),
    [("raised", 409, "storm"), ("returned", 409, "storm"), ("plain", 409, "conflict"), ("gone", 410, "gone")],
)
def test_a_plugin_answers_codes_of_its_own_and_without_one_that_of_the_status(stormy, name, status, word):
    answer = stormy.anonymous.get(f"/storms/{name}", status=status)
    assert (answer.json["code"], answer.json["status"]) == (word, status)
    assert answer.content_type == "application/problem+json"


def test_the_catalogue_has_the_codes_of_core_and_of_plugins(stormy):
    words = {code.word for code in catalogue(stormy.registry)}
    assert words == {"storm", *(code.word for code in codes.ALL)}


def test_a_word_cannot_be_taken_twice(install_plugin, start_app):
    taken = 'from scheduling.plugin import Code\nconfig.add_problem_code(Code("invalid", 400, "Mine."))'
    install_plugin("acme", includeme=taken)
    with pytest.raises(StartupError, match="invalid"):
        start_app("acme")


@pytest.mark.parametrize(
    ("status", "word", "title"),
    [
        (413, "too_large", "Request Entity Too Large"),
        (414, "uri_too_long", "Request-URI Too Long"),
        (416, "range_not_satisfiable", "Requested Range Not Satisfiable"),
        (422, "unprocessable_content", "Unprocessable Entity"),
        (429, "rate_limited", "Too Many Requests"),
        (410, "gone", "Gone"),
    ],
)
def test_words_and_titles_are_the_same_with_every_release_of_python(status, word, title):
    problem = orjson.loads(problem_document(status, "No."))
    assert (problem["code"], problem["title"]) == (word, title)


def test_what_a_server_writes_itself_has_a_code_too():
    assert b'"code":"request_header_fields_too_large"' in problem_document(431, "Too large.")
