"""A token is for one account: not for whoever has its id later, nor for one that is gone."""

import time

import jwt
import pytest
import sqlalchemy as sa

from scheduling.accounts import service
from scheduling.accounts.models import users
from scheduling.db.session import session_scope
from scheduling.security import tokens
from scheduling.testing import Client
from scheduling.testing.site import PASSWORD
from tests.kit.calls import CALLS, call, things_of
from tests.kit.factories import BOOKING, log_in

PUBLIC = ("post", "/analytics/event")


def token_of(site, **claims):
    """A token without a key, as the release before and the reference system made them."""
    now = int(time.time())
    whole = {"role": "member", "iat": now, "exp": now + 3600, **claims}
    return jwt.encode(whole, site.registry.core_settings.jwt_secret, algorithm="HS256")


def restore_without(site, lost):
    """Make another account with the id of one that a restored backup lacks."""
    with session_scope(site.registry) as db:
        db.write(sa.delete(users).where(users.c.id == lost.id))
        hashed = site.registry.passwords.hash(PASSWORD)
        row = {"id": lost.id, "email": "new@example.com", "password_hash": hashed, "name": "Newcomer"}
        db.write(sa.insert(users).values(row))


@pytest.mark.parametrize("keyless", [False, True])
def test_no_call_takes_the_token_of_a_lost_account_for_one_of_the_next_with_its_id(
    site, other_process, keyless
):
    lost = site.user("Lost")
    restore_without(site, lost)
    newcomer = Client(other_process.app, log_in(site, "new@example.com").json["token"], lost.id)
    things = things_of(newcomer)
    if keyless:
        lost.token = token_of(site, id=lost.id, email=lost.email)
    for process in (site, other_process):
        client = Client(process.app, lost.token)
        for method, path, body in CALLS:
            answer = call(client, things, method, path, body)
            expected = 201 if (method, path) == PUBLIC else 401
            assert (path, answer.status_int) == (path, expected)
    assert newcomer.get("/users/me", status=200).json["name"] == "Newcomer"
    admin = site.user(admin=True)
    [event] = admin.get("/analytics/events?type=GHOST&limit=1", status=200).json
    assert event["user_id"] is None


def test_an_account_that_does_not_know_of_keys_has_tokens_without_one(site):
    # As the release before makes one beside this one, or who imports the reference system's database.
    hashed = site.registry.passwords.hash(PASSWORD)
    insert = sa.text("INSERT INTO users (email, password_hash, name) VALUES (:email, :hashed, 'Old')")
    with session_scope(site.registry) as db:
        db.write(insert, {"email": "old@example.com", "hashed": hashed})
        user_id = db.scalar(sa.select(users.c.id))
    for token in (
        token_of(site, id=user_id, email="old@example.com"),
        log_in(site, "old@example.com").json["token"],
    ):
        assert "key" not in jwt.decode(token, options={"verify_signature": False})
        Client(site.app, token).post("/bookings", BOOKING, status=201)


def test_a_token_without_a_key_is_refused_where_the_account_has_one(site):
    alice = site.user()
    Client(site.app, token_of(site, id=alice.id, email=alice.email)).get("/bookings", status=401)


def test_the_key_is_in_no_answer(site):
    admin = site.user(admin=True)
    with session_scope(site.registry) as db:
        key = db.scalar(sa.select(users.c.token_key))
    assert len(key) == 22
    for path in ("/users", "/users/me", "/auth/verify"):
        assert key not in admin.get(path, status=200).text
    assert key not in admin.patch("/users/me", {"name": "A"}, status=200).text


def delete(site, client):
    with session_scope(site.registry) as db:
        assert service.delete(db, client.id)


@pytest.mark.parametrize(("method", "path", "body"), [c for c in CALLS if c[:2] != PUBLIC])
def test_every_call_refuses_the_token_of_an_account_that_this_process_deleted(site, method, path, body):
    alice = site.user(admin=True)
    things = things_of(alice)
    delete(site, alice)
    assert call(alice, things, method, path, body).status_int == 401


@pytest.mark.parametrize("path", ["/bookings", "/organizations"])
def test_a_write_for_an_account_that_another_process_just_deleted_is_a_401_and_not_a_conflict(
    site, other_process, monkeypatch, path
):
    # Else the other process might have learned of it.
    monkeypatch.setattr(tokens, "REFRESH_SECONDS", 3600)
    alice = site.user()
    there = Client(other_process.app, alice.token)
    there.get("/users/me", status=200)
    delete(site, alice)
    answer = there.post(path, BOOKING | {"name": "Acme"}, status=401)
    assert answer.json["error"] == "This account no longer exists."
    assert answer.headers["WWW-Authenticate"] == "Bearer"
    there.get("/bookings", status=401)


def test_a_token_of_a_machine_whose_clock_is_ahead_is_cut_off_as_any_other(site, monkeypatch):
    alice = site.user()
    ahead = time.time() + 20
    monkeypatch.setattr(tokens, "time", lambda: ahead)
    alice.token = log_in(site, alice.email).json["token"]
    monkeypatch.undo()
    with session_scope(site.registry) as db:
        site.registry.tokens.cut_off(db, alice.id)
    alice.get("/users/me", status=401)


def test_a_machine_whose_clock_is_behind_gives_tokens_that_hold_after_a_cut_off(site, monkeypatch):
    alice = site.user()
    with session_scope(site.registry) as db:
        site.registry.tokens.cut_off(db, alice.id)
    behind = time.time() - 20
    monkeypatch.setattr(tokens, "time", lambda: behind)
    Client(site.app, log_in(site, alice.email).json["token"]).get("/users/me", status=200)
