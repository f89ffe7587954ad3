"""Wrong passwords: of an account, from an address, and where a user has logged in before."""

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
import sqlalchemy as sa
from webtest import TestApp

from scheduling.accounts import guesses
from scheduling.accounts.models import login_addresses, users
from scheduling.db.session import session_scope
from scheduling.testing import Client
from scheduling.testing.site import PASSWORD
from scheduling.throttling.limits import ACCOUNT

HOME, ELSEWHERE = "203.0.113.7", "198.51.100.1"
LOGIN, ACCOUNT_POLICY = "/auth/login", '"login";q=5;w=900'
ADDRESS_POLICY = '"login-address";q=50;w=900'


def at(site, address, token=None):
    """Return a client at an address."""
    app = TestApp(site.wsgi_app, extra_environ={"REMOTE_ADDR": address})
    return Client(app, token)


def log_in(client, email, password=PASSWORD):
    return client.post(LOGIN, {"email": email, "password": password}, expect_errors=True)


def fail(client, email, times=1):
    """Send wrong passwords; return the statuses."""
    return [log_in(client, email, "wrong one").status_int for _ in range(times)]


@pytest.fixture
def site(make_site):
    return make_site()


@pytest.fixture
def alice(site):
    """Somebody who has registered at home."""
    return (
        at(site, HOME)
        .post("/auth/register", {"name": "Alice", "email": "alice@example.com", "password": PASSWORD})
        .json["user"]["email"]
    )


@pytest.fixture
def checked(site, monkeypatch):
    """The passwords that reached bcrypt."""
    passwords = site.registry.passwords
    found, matches = [], passwords.matches

    def noting(password, hashed):
        found.append(password)
        return matches(password, hashed)

    monkeypatch.setattr(passwords, "matches", noting)
    return found


def test_after_five_failures_there_is_a_429_that_says_when_to_try_again(site, alice, checked):
    stranger = at(site, ELSEWHERE)
    assert fail(stranger, alice, 7) == [401] * 5 + [429] * 2
    assert len(checked) == 5
    answer = log_in(stranger, alice)
    assert answer.status_int == 429
    assert answer.json["code"] == "rate_limited"
    assert answer.headers["Retry-After"] in {"59", "60"}
    assert answer.headers["RateLimit-Policy"] == ACCOUNT_POLICY
    assert answer.headers["RateLimit"] == f'"login";r=0;t={answer.headers["Retry-After"]}'
    assert answer.json["error"].startswith("Too many attempts")


def test_every_answer_tells_how_many_failures_remain(site, alice):
    stranger = at(site, ELSEWHERE)
    for remaining in (4, 3):
        answer = log_in(stranger, alice, "wrong one")
        assert answer.headers["RateLimit-Policy"] == f"{ACCOUNT_POLICY}, {ADDRESS_POLICY}"
        assert f'"login";r={remaining};t=' in answer.headers["RateLimit"]
        assert f'"login-address";r={remaining + 45};t=' in answer.headers["RateLimit"]
    answer = log_in(stranger, alice)
    assert answer.status_int == 200
    assert '"login";r=3;' in answer.headers["RateLimit"]
    assert '"login-address";r=48;' in answer.headers["RateLimit"]


def test_right_passwords_do_not_count(site, alice):
    for _ in range(10):
        assert log_in(at(site, HOME), alice).status_int == 200
    stranger = at(site, ELSEWHERE)
    fail(stranger, alice, 4)
    assert log_in(stranger, alice).status_int == 200


def test_an_unknown_account_is_answered_like_a_known_one(site, alice):
    def answers(email):
        some = [log_in(at(site, ELSEWHERE), email, "wrong one") for _ in range(7)]
        told = ("RateLimit-Policy", "Retry-After")
        return [(a.status_int, a.json["error"][:20], *map(a.headers.get, told)) for a in some]

    known = answers(alice)
    assert answers("nobody@example.com") == known
    assert {status for status, *_ in known} == {401, 429}


def test_both_cost_the_same_statements(site, alice):
    def statements(email):
        with site.queries() as queries:
            log_in(at(site, ELSEWHERE), email, "wrong one")
        # That somebody tried is recorded with the account, where there is one.
        return [" ".join(each.split()[:3]) for each in queries.statements]

    assert statements(alice) == statements("nobody@example.com")


def test_spellings_of_an_account_have_one_limit(site, alice):
    stranger = at(site, ELSEWHERE)
    spellings = [alice, alice.upper(), "Alice@Example.com", "\uff41lice@example.com", '"alice"@example.com']
    assert [fail(stranger, each)[0] for each in spellings] == [401] * 5
    assert fail(stranger, "aLice@example.com") == [429]


def test_a_stranger_cannot_keep_a_user_out(site, alice, checked):
    for number in range(20):
        fail(at(site, f"198.51.100.{number}"), alice, 3)
    assert len(checked) == 5
    # Not where she has logged in, or registered, before; mistakes of her own neither.
    home = at(site, HOME)
    assert fail(home, alice, 10) == [401] * 10
    assert log_in(home, alice).status_int == 200
    # At another place she has to wait like everybody.
    assert log_in(at(site, "192.0.2.1"), alice).status_int == 429


def test_an_address_is_known_for_thirty_days_after_the_last_log_in(site, alice):
    def age(days):
        with session_scope(site.registry) as db:
            for row in db.rows(sa.select(login_addresses)):
                last_at = row.last_at - timedelta(days=days)
                db.write(sa.update(login_addresses).values(last_at=last_at))

    fail(at(site, ELSEWHERE), alice, 6)
    age(29)
    assert log_in(at(site, HOME), alice).status_int == 200
    age(29)
    assert log_in(at(site, HOME), alice).status_int == 200
    age(31)
    assert log_in(at(site, HOME), alice).status_int == 429
    assert guesses.prune(site.registry) is False
    with session_scope(site.registry) as db:
        assert db.rows(sa.select(login_addresses)) == []


def test_where_somebody_logs_in_is_noted_once_a_day_and_not_in_clear(site, alice):
    with site.queries() as queries:
        log_in(at(site, HOME), alice)
    assert not [each for each in queries.statements if "INSERT INTO login_addresses" in each]
    log_in(at(site, ELSEWHERE), alice)
    with session_scope(site.registry) as db:
        rows = db.rows(sa.select(login_addresses))
    assert len(rows) == 2
    assert {len(row.address) for row in rows} == {16}


def test_an_address_has_fifty_failures_over_all_accounts(site, alice, checked):
    stranger = at(site, ELSEWHERE)
    statuses = [fail(stranger, f"user{number}@example.com")[0] for number in range(60)]
    assert statuses == [401] * 50 + [429] * 10
    assert len(checked) == 50
    refused = log_in(stranger, "another@example.com")
    assert refused.headers["RateLimit"] == f'"login-address";r=0;t={refused.headers["Retry-After"]}'
    # What was refused by the address has not counted for the accounts.
    assert fail(at(site, "192.0.2.1"), "user59@example.com", 6) == [401] * 5 + [429]
    assert log_in(at(site, HOME), alice).status_int == 200


def test_addresses_of_one_network_of_ipv6_are_one(site):
    for number in range(50):
        fail(at(site, f"2001:db8:0:1::{number:x}"), f"user{number}@example.com")
    assert fail(at(site, "2001:db8:0:1:ffff::1"), "another@example.com") == [429]
    assert fail(at(site, "2001:db8:0:2::1"), "another@example.com") == [401]


def test_wrong_current_passwords_count_as_failed_log_ins(make_site):
    site = make_site(email_change_needs_password="true")
    sent = {"name": "Bob", "email": "bob@example.com", "password": PASSWORD}
    token = at(site, HOME).post("/auth/register", sent).json["token"]
    thief = at(site, ELSEWHERE, token)

    def change_password(current):
        body = {"currentPassword": current, "newPassword": "another one"}
        return thief.patch("/users/me/password", body, expect_errors=True).status_int

    def change_address(current, **options):
        body = {"email": "thief@example.com", "currentPassword": current}
        return thief.patch("/users/me", body, expect_errors=True, **options).status_int

    assert [change_password("wrong one") for _ in range(3)] == [401] * 3
    assert change_address("wrong one") == 401
    # With a key, the guess is counted in the transaction of the call.
    assert change_address("wrong one", headers={"Idempotency-Key": "k"}) == 401
    assert [change_password(PASSWORD), change_address(PASSWORD)] == [429, 429]
    assert log_in(at(site, "192.0.2.1"), "bob@example.com").status_int == 429
    # What needs no password goes on.
    assert thief.patch("/users/me", {"name": "Bobby"}).status_int == 200
    owner = at(site, HOME, token)
    body = {"currentPassword": PASSWORD, "newPassword": "another one"}
    assert owner.patch("/users/me/password", body).status_int == 200


def test_another_address_of_an_account_gives_no_further_guesses(make_site):
    """Or who holds a stolen token could change it after each five."""
    site = make_site()
    sent = {"name": "Bob", "email": "bob@example.com", "password": PASSWORD}
    thief = at(site, ELSEWHERE, at(site, HOME).post("/auth/register", sent).json["token"])
    body = {"currentPassword": "wrong one", "newPassword": "another one"}

    def guess():
        return thief.patch("/users/me/password", body, expect_errors=True).status_int

    assert [guess() for _ in range(6)] == [401] * 5 + [429]
    thief.patch("/users/me", {"email": "bobby@example.com"}, status=200)
    assert guess() == 429


def test_who_registers_is_not_kept_out_by_guesses_before_that(site):
    home = at(site, HOME)
    assert fail(home, "new@example.com", 6) == [401] * 5 + [429]
    home.post("/auth/register", {"name": "New", "email": "new@example.com", "password": PASSWORD}, status=201)
    assert log_in(home, "new@example.com").status_int == 200


@pytest.mark.parametrize("number", [60])
def test_guesses_at_the_same_moment_are_no_more_than_the_limit(site, alice, checked, number):
    gate = threading.Barrier(number)

    def guess(n):
        gate.wait()
        return log_in(at(site, f"198.51.100.{n}"), alice, "wrong one").status_int

    with ThreadPoolExecutor(number) as threads:
        statuses = sorted(threads.map(guess, range(number)))
    assert statuses == [401] * 5 + [429] * (number - 5)
    assert len(checked) == 5


def test_a_refusal_that_must_be_asked_for_again_is_asked_for_once_however_many_addresses_guess(site, alice):
    strangers = [at(site, f"198.51.100.{n}") for n in range(20)]
    assert fail(strangers[0], alice, 6) == [401] * 5 + [429]
    assert [fail(stranger, alice) for stranger in strangers] == [[429]] * 20
    # As when it is no longer certain, since a place might have been given back.
    with session_scope(site.registry) as db:
        user_id = db.scalar(sa.select(users.c.id).where(users.c.email == alice))
    site.registry.limiter.refusals.forget(site.registry.limiter.key(ACCOUNT, str(user_id)))
    with site.queries() as queries:
        assert [fail(stranger, alice) for stranger in strangers] == [[429]] * 20
    assert len(queries) == 3


def test_a_guess_that_is_not_checked_does_not_count(site, alice, monkeypatch):
    site.registry.passwords.use_threads(2)
    with site.registry.passwords._place():
        with site.queries() as queries:
            assert [log_in(at(site, ELSEWHERE), alice).status_int for _ in range(7)] == [503] * 7
        assert len(queries) == 0
        # Where the place is taken by another while this one asks the database.
        monkeypatch.setattr(site.registry.passwords, "require_place", lambda: None)
        assert [log_in(at(site, ELSEWHERE), alice).status_int for _ in range(7)] == [503] * 7
    site.registry.passwords.use_threads(1000)
    assert fail(at(site, ELSEWHERE), alice, 6) == [401] * 5 + [429]


def test_limits_can_be_switched_off_one_by_one_and_all_together(make_site):
    site = make_site(rate_limit_failed_logins=0)
    answer = log_in(at(site, ELSEWHERE), "nobody@example.com", "wrong one")
    assert answer.headers["RateLimit-Policy"] == ADDRESS_POLICY
    assert fail(at(site, ELSEWHERE), "nobody@example.com", 50) == [401] * 49 + [429]
    site = make_site(rate_limit_failed_logins_per_address=0)
    assert fail(at(site, ELSEWHERE), "somebody@example.com", 6) == [401] * 5 + [429]
    site = make_site(rate_limit_enabled="false")
    with site.queries() as queries:
        answer = log_in(at(site, ELSEWHERE), "nobody@example.com", "wrong one")
    assert answer.status_int == 401
    assert "RateLimit" not in answer.headers
    assert not [each for each in queries.statements if "rate_limits" in each or "login_addr" in each]


def test_no_row_is_locked_while_a_password_is_checked(site, alice, monkeypatch):
    seen = []
    passwords, matches = site.registry.passwords, site.registry.passwords.matches

    def look(password, hashed):
        seen.append(site.registry.engine.pool.checkedout())
        return matches(password, hashed)

    monkeypatch.setattr(passwords, "matches", look)
    fail(at(site, ELSEWHERE), alice)
    assert seen == [0]
