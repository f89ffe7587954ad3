"""Which tokens are accepted, what ends them, and that no process and no deleted account gets around it."""

import hashlib
import hmac
import time
from base64 import urlsafe_b64decode, urlsafe_b64encode
from contextlib import suppress

import jwt
import orjson
import pytest
import sqlalchemy as sa

from scheduling.accounts.models import users
from scheduling.accounts.service import set_role
from scheduling.db.session import session_scope
from scheduling.testing import Client, Site
from tests.kit.calls import CALLS, call, things_of
from tests.kit.factories import log_in

HS256 = {"alg": "HS256", "typ": "JWT"}


def encoded(value):
    return urlsafe_b64encode(value).rstrip(b"=").decode()


def sign(secret, payload, header=HS256, digest=hashlib.sha256):
    text = f"{encoded(orjson.dumps(header))}.{encoded(orjson.dumps(payload))}"
    return f"{text}.{encoded(hmac.new(secret.encode(), text.encode(), digest).digest())}"


def secret_of(site):
    return site.registry.core_settings.jwt_secret


def claims(client, **changes):
    now = int(time.time())
    whole = {"id": client.id, "email": client.email, "role": "member", "iat": now, "exp": now + 3600}
    return {name: value for name, value in (whole | changes).items() if value is not None}


def older_user(site):
    """Make an account that is older than the keys of accounts, so that its tokens have none."""
    alice = site.user()
    with session_scope(site.registry) as db:
        db.write(sa.update(users).where(users.c.id == alice.id).values(token_key=None))
    alice.token = site.token(alice.id)
    return alice


def try_token(site, token, status):
    headers = {"Authorization": f"Bearer {token}"}
    answer = site.app.get("/api/v1/auth/verify", headers=headers, status=status)
    if status == 401:
        assert answer.headers["WWW-Authenticate"] == "Bearer"
        assert answer.headers["Content-Type"] == "application/problem+json"
    return answer.json


def test_a_token_of_the_reference_system_is_accepted(site):
    alice = older_user(site)
    legacy = jwt.encode(claims(alice), secret_of(site), algorithm="HS256")
    assert try_token(site, legacy, 200)["user"]["id"] == alice.id
    Client(site.app, legacy).post("/organizations", {"name": "Acme"}, status=201)


def test_a_token_of_the_reference_system_ends_with_the_others(site):
    alice = older_user(site)
    legacy = sign(secret_of(site), claims(alice))
    alice.post("/auth/logout", {"everywhere": True}, status=200)
    try_token(site, legacy, 401)


def test_a_token_is_accepted_that_a_clock_ahead_of_ours_made(site):
    alice = older_user(site)
    try_token(site, sign(secret_of(site), claims(alice, iat=int(time.time()) + 20)), 200)


@pytest.mark.parametrize(
    "changes",
    [
        {"exp": 1},
        {"exp": None},
        {"exp": "soon"},
        {"exp": {}},
        {"iat": None},
        {"iat": "now"},
        {"iat": [1]},
        {"iat": 10**12},
        {"id": None},
        {"id": "1"},
        {"id": 1.5},
        {"id": [1]},
        {"role": None},
        {"role": ["admin"]},
        {"email": None},
        {"email": 7},
        {"sub": 7},
        {"nbf": 10**12},
        {"aud": "another service"},
        {"iat_ms": "now"},
        {"key": 7},
        {"key": "of another account"},
    ],
)
def test_a_signed_token_with_wrong_claims_is_a_401(site, changes):
    try_token(site, sign(secret_of(site), claims(older_user(site), **changes)), 401)


@pytest.mark.parametrize("payload", [[], "text", 7, True, {}])
def test_a_signed_token_that_holds_no_claims_is_a_401(site, payload):
    try_token(site, sign(secret_of(site), payload), 401)


def test_a_token_signed_with_another_secret_is_a_401(site):
    alice = older_user(site)
    for secret in (secret_of(site) + " ", secret_of(site).upper(), "", "secret"):
        try_token(site, sign(secret, claims(alice)), 401)


@pytest.mark.parametrize("algorithm", ["none", "None", "NONE", "nOnE", "", None])
def test_an_unsigned_token_is_a_401(site, algorithm):
    token = sign(secret_of(site), claims(older_user(site)), header=HS256 | {"alg": algorithm})
    try_token(site, token, 401)
    try_token(site, token.rpartition(".")[0] + ".", 401)


@pytest.mark.parametrize(
    ("algorithm", "digest"),
    [
        ("HS384", hashlib.sha384),
        ("HS512", hashlib.sha512),
        ("RS256", hashlib.sha256),
        ("ES256", hashlib.sha256),
        ("PS256", hashlib.sha256),
        ("hs256", hashlib.sha256),
    ],
)
def test_a_token_of_another_algorithm_is_a_401(site, algorithm, digest):
    try_token(site, sign(secret_of(site), claims(older_user(site)), HS256 | {"alg": algorithm}, digest), 401)


def test_a_token_with_another_payload_is_a_401(site):
    alice = site.user()
    header, payload, signature = alice.token.split(".")
    forged = orjson.loads(urlsafe_b64decode(payload + "==")) | {"role": "admin"}
    token = f"{header}.{encoded(orjson.dumps(forged))}.{signature}"
    try_token(site, token, 401)
    Client(site.app, token).get("/users", status=401)


def test_a_token_that_was_cut_or_changed_anywhere_is_a_401(site):
    token = site.user().token
    header, payload, signature = token.split(".")
    changed = ("B" if signature[0] == "A" else "A") + signature[1:]
    for bad in (
        f"{header}.{payload}.{changed}",
        f"{header}.{payload}.{signature[:-4]}",
        f"{header}.{payload}.",
        f"{header}.{payload}",
        f"{payload}.{header}.{signature}",
        f"{header}..{signature}",
        f".{payload}.{signature}",
        f"{token}.{signature}",
        "..",
        "é.é.é",
    ):
        try_token(site, bad, 401)


def test_a_token_expires_also_when_it_was_accepted_before(site, monkeypatch):
    alice = older_user(site)
    expires = claims(alice)["iat"] + 60
    token = sign(secret_of(site), claims(alice, exp=expires))
    try_token(site, token, 200)
    monkeypatch.setattr("scheduling.security.tokens.time", lambda: expires)
    assert "expired" in try_token(site, token, 401)["error"]
    fresh = sign(secret_of(site), claims(alice, exp=expires + 1))
    try_token(site, fresh, 200)


def test_another_role_ends_the_tokens_that_name_the_old_one(site):
    alice = site.user()
    with session_scope(site.registry) as db:
        assert set_role(db, alice.email.upper(), "admin").role == "admin"
    alice.get("/users", status=401)
    alice.token = log_in(site, alice.email).json["token"]
    alice.get("/users", status=200)
    with session_scope(site.registry) as db:
        set_role(db, alice.email, "member")
    alice.get("/users", status=401)
    alice.token = log_in(site, alice.email).json["token"]
    alice.get("/users", status=403)


def test_a_change_of_role_that_was_undone_ends_no_token(site):
    alice = site.user()
    with suppress(LookupError), session_scope(site.registry) as db:
        set_role(db, alice.email, "admin")
        raise LookupError
    alice.get("/users", status=403)


def test_another_process_honours_a_cut_off_after_its_next_refresh(site, other_process):
    alice, bob = site.user("Alice"), site.user("Bob")
    try_token(other_process, alice.token, 200)
    alice.post("/auth/logout", {"everywhere": True}, status=200)
    other_process.forget_when_cutoffs_were_read()
    try_token(other_process, alice.token, 401)
    try_token(other_process, bob.token, 200)
    try_token(other_process, log_in(site, alice.email).json["token"], 200)


def test_every_later_refresh_of_another_process_finds_the_new_cut_offs(site, other_process):
    for client in (site.user("Alice"), site.user("Bob"), site.user("Carol")):
        try_token(other_process, client.token, 200)
        client.post("/auth/logout", {"everywhere": True}, status=200)
        other_process.forget_when_cutoffs_were_read()
        try_token(other_process, client.token, 401)


def test_a_process_that_starts_later_honours_older_cut_offs_at_once(site, enabled_plugins):
    alice = site.user()
    alice.post("/auth/logout", {"everywhere": True}, status=200)
    restarted = Site(site.registry.engine.url.render_as_string(hide_password=False), enabled_plugins)
    try_token(restarted, alice.token, 401)
    restarted.close()


@pytest.mark.parametrize("admin", [False, True])
@pytest.mark.parametrize("others", [False, True])
def test_the_token_of_a_deleted_account_never_causes_a_5xx(site, admin, others):
    ghost, bob = site.user("Ghost", admin=admin), site.user("Bob", email="bob@example.com")
    things = things_of(bob if others else ghost)
    with session_scope(site.registry) as db:
        db.write(sa.delete(users).where(users.c.id == ghost.id))
    answers = {(m, path): call(ghost, things, m, path, body) for m, path, body in CALLS}
    assert {key: answer.status for key, answer in answers.items() if answer.status_int >= 500} == {}
    for key in (("get", "/auth/verify"), ("get", "/users/me"), ("patch", "/users/me")):
        assert answers[key].status_int == 401
        assert answers[key].headers["WWW-Authenticate"] == "Bearer"
    assert answers["patch", "/users/me/password"].status_int == 401
    for path in ("/bookings", "/organizations"):
        assert answers["post", path].status_int == 401
    assert answers["post", "/analytics/event"].status_int == 201


@pytest.mark.parametrize(("method", "path", "body"), [c for c in CALLS if c[1] != "/analytics/event"])
def test_every_call_refuses_a_token_that_was_revoked(site, method, path, body):
    alice = site.user(admin=True)
    things = things_of(alice)
    alice.post("/auth/logout", {"everywhere": True}, status=200)
    answer = call(alice, things, method, path, body)
    assert answer.status_int == 401
    assert answer.headers["WWW-Authenticate"] == "Bearer"
