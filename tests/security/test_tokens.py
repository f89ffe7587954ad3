import time
from base64 import urlsafe_b64decode, urlsafe_b64encode
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import jwt
import orjson
import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st

from scheduling.accounts.models import new_token_key, users
from scheduling.db.session import session_scope
from scheduling.security import tokens as module
from scheduling.security.tokens import TokenError, Tokens, token_cutoffs
from scheduling.times import utcnow

SECRET = "a secret of the tests that is long enough for every algorithm that a forger may try"
HOUR = 3600
JSON = st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.lists(st.integers())


def tokens(lifetime=HOUR, secret=SECRET, fallbacks=()):
    return Tokens(secret, lifetime, fallbacks)


def user(user_id=7, email="a@example.com", role="member", key=None):
    return SimpleNamespace(id=user_id, email=email, role=role, token_key=key)


def issue(issuer, *account, at=None, **columns):
    return issuer.issue(user(*account, **columns), at or utcnow())


class EveryId:
    """Stands for a session on a database that has an account of every id, without keys."""

    def __init__(self, db):
        self.rows = db.rows

    def row(self, statement, parameters):
        return SimpleNamespace(token_key=None)


@pytest.fixture(scope="module")
def verified(session_site):
    """Give a function that returns the claims of a token, None if it is refused."""
    session_site.clear()
    verifier = tokens()

    def claims_of(token):
        with session_scope(session_site.registry) as db:
            try:
                return verifier.verify(token, EveryId(db))
            except TokenError:
                return None

    return claims_of


def payload(**changes):
    now = int(time.time())
    claims = {"id": 7, "email": "alice@example.com", "role": "member", "iat": now, "exp": now + HOUR}
    return {name: value for name, value in (claims | changes).items() if value is not ...}


def signed(claims, secret=SECRET, algorithm="HS256", **header):
    return jwt.encode(claims, secret, algorithm=algorithm, headers=header)


def decoded(token):
    return orjson.loads(urlsafe_b64decode(token.split(".")[1] + "=="))


@given(st.integers(1, 2**63 - 1), st.emails(), st.sampled_from(["member", "admin"]))
def test_a_token_says_who_it_was_made_for(verified, user_id, email, role):
    claims = verified(issue(tokens(), user_id, email, role))
    assert (claims.user_id, claims.email, claims.role) == (user_id, email, role)


def test_a_token_has_the_contracts_claims():
    before = int(time.time())
    token = issue(tokens(), 7, "alice@example.com", "admin")
    claims = decoded(token)
    assert jwt.get_unverified_header(token)["alg"] == "HS256"
    assert (claims["id"], claims["email"], claims["role"]) == (7, "alice@example.com", "admin")
    assert before <= claims["iat"] <= time.time()
    assert claims["exp"] == claims["iat"] + HOUR
    assert claims["sub"] == "7"


def test_two_tokens_differ():
    issuer = tokens()
    assert issue(issuer) != issue(issuer)


def test_a_token_of_the_reference_system_is_good(verified):
    assert verified(signed(payload())).user_id == 7


def test_an_expired_token_is_refused_and_says_so(session_site):
    token = issue(tokens(lifetime=-1))
    with session_scope(session_site.registry) as db, pytest.raises(TokenError, match="expired"):
        tokens().verify(token, db)


def test_a_token_expires_although_it_was_verified_before(verified, monkeypatch):
    token = issue(tokens())
    assert verified(token)
    later = time.time() + HOUR
    monkeypatch.setattr("scheduling.security.tokens.time", lambda: later)
    assert verified(token) is None


@pytest.mark.parametrize(
    "token",
    [
        signed(payload(), secret=SECRET.upper()),
        signed(payload(), secret="", algorithm="none"),
        signed(payload(), secret=SECRET, algorithm="HS512"),
        signed(payload(), algorithm="HS384"),
        "",
        ".",
        "..",
        "a.b.c",
    ],
)
def test_a_forged_token_is_refused(verified, token):
    assert verified(token) is None


def test_a_token_without_a_signature_is_refused(verified):
    header = urlsafe_b64encode(b'{"alg":"none","typ":"JWT"}').rstrip(b"=").decode()
    body = issue(tokens()).split(".")[1]
    for signature in ("", ".", ".AA"):
        assert verified(f"{header}.{body}{signature}") is None


@pytest.mark.parametrize("claim", ["id", "email", "role", "iat", "exp"])
@pytest.mark.parametrize("value", [..., None, "x", [], {}, -0.5])
def test_a_token_that_lacks_a_claim_or_has_it_wrongly_is_refused(verified, claim, value):
    if claim in ("email", "role") and value == "x":
        assert verified(signed(payload(**{claim: value})))
    else:
        assert verified(signed(payload(**{claim: value}))) is None


@pytest.mark.parametrize("user_id", [True, False, 0, -1, 2**63, 10**30, 1.0])
def test_a_token_whose_id_no_user_can_have_is_refused(verified, user_id):
    assert verified(signed(payload(id=user_id))) is None


@given(
    st.dictionaries(
        st.sampled_from(["id", "email", "role", "iat", "exp", "iat_ms", "sub", "nbf", "aud"]), JSON
    )
)
def test_any_genuine_payload_is_read_or_refused(verified, changes):
    claims = verified(signed(payload(**changes)))
    assert claims is None or (isinstance(claims.user_id, int) and isinstance(claims.role, str))


@given(st.text())
def test_any_text_is_refused(verified, text):
    assert verified(text) is None


@given(st.integers(0, 400), st.characters(), st.integers(0, 1))
def test_a_token_that_was_changed_is_refused_or_reads_the_same(verified, at, put, cut):
    token = signed(payload(iat=1800000000, exp=4000000000))
    genuine = verified(token)
    assert verified(token[:at] + put + token[at + cut :]) in (None, genuine)


NEW, OLDER = SECRET.title(), SECRET.upper()


@pytest.mark.parametrize("signer", [NEW, SECRET, OLDER])
def test_a_token_that_any_of_the_secrets_signed_is_good(revocable, signer):
    token = issue(tokens(secret=signer))
    assert is_good(tokens(secret=NEW, fallbacks=[SECRET, OLDER]), token, revocable)


def test_a_token_of_a_secret_that_is_no_fallback_any_more_is_refused(revocable):
    token = issue(tokens(secret=OLDER))
    for remaining in ([], [SECRET]):
        assert not is_good(tokens(secret=NEW, fallbacks=remaining), token, revocable)


def test_new_tokens_are_signed_by_the_secret_itself(revocable):
    token = issue(tokens(secret=NEW, fallbacks=[SECRET]))
    assert is_good(tokens(secret=NEW), token, revocable)
    assert not is_good(tokens(secret=SECRET), token, revocable)


def test_a_token_of_a_fallback_expires_and_is_cut_off_as_any_other(revocable):
    rotated = tokens(secret=NEW, fallbacks=[SECRET])
    expired, cut_off = (issue(tokens(lifetime)) for lifetime in (-1, HOUR))
    with session_scope(revocable) as db, pytest.raises(TokenError, match="expired"):
        rotated.verify(expired, db)
    assert is_good(rotated, cut_off, revocable)
    with session_scope(revocable) as db:
        rotated.cut_off(db, 7)
    assert not is_good(rotated, cut_off, revocable)


def test_fallbacks_cost_the_usual_token_nothing_and_a_signature_is_verified_once(revocable, monkeypatch):
    verified_with = []
    decode = jwt.decode
    monkeypatch.setattr(jwt, "decode", lambda t, key, **o: verified_with.append(key) or decode(t, key, **o))
    rotated = tokens(secret=NEW, fallbacks=[SECRET])
    usual, old = (issue(tokens(secret=secret)) for secret in (NEW, SECRET))

    assert all(is_good(rotated, token, revocable) for token in (usual, usual, old, old))

    assert verified_with == [NEW, NEW, SECRET]


@pytest.fixture
def revocable(session_site):
    session_site.clear()
    with session_scope(session_site.registry) as db:
        for user_id in (7, 8):
            row = {"id": user_id, "email": f"{user_id}@example.com", "password_hash": "!", "name": "N"}
            db.write(sa.insert(users).values(row | {"token_key": None}))
    yield session_site.registry
    session_site.clear()


def is_good(issuer, token, registry):
    with session_scope(registry) as db:
        try:
            return issuer.verify(token, db).user_id == 7
        except TokenError:
            return False


def test_a_cut_off_ends_the_tokens_before_it_in_every_process(revocable):
    here, there = tokens(), tokens()
    old = issue(here)
    assert is_good(here, old, revocable)
    assert is_good(there, old, revocable)
    with session_scope(revocable) as db:
        cutoff = here.cut_off(db, 7)
    new = issue(here, at=cutoff)
    there.refresh_due()
    for issuer in (here, there, tokens()):
        assert not is_good(issuer, old, revocable)
        assert is_good(issuer, new, revocable)


def test_a_cut_off_is_for_one_user_alone(revocable):
    issuer = tokens()
    others = issue(issuer)
    with session_scope(revocable) as db:
        issuer.cut_off(db, 8)
    assert is_good(issuer, others, revocable)


def test_a_cut_off_that_is_rolled_back_never_was(revocable):
    issuer = tokens()
    token = issue(issuer)
    with pytest.raises(ZeroDivisionError), session_scope(revocable) as db:
        assert issuer.cut_off(db, 7).year / 0
    assert is_good(issuer, token, revocable)


def test_a_later_cut_off_replaces_an_earlier_one(revocable):
    issuer = tokens()
    earlier = datetime.now(UTC) - timedelta(minutes=1)
    with session_scope(revocable) as db:
        db.write(token_cutoffs.insert().values(user_id=7, not_before=earlier))
    between = issue(issuer)
    assert is_good(issuer, between, revocable)
    with session_scope(revocable) as db:
        later = issuer.cut_off(db, 7)
    for process in (issuer, tokens()):
        assert not is_good(process, between, revocable)
        assert is_good(process, issue(issuer, at=later), revocable)


def test_cut_offs_are_asked_for_at_most_once_a_second(session_site, revocable):
    issuer = tokens()
    token = issue(issuer)
    with session_site.queries() as queries:
        assert all(is_good(issuer, token, revocable) for _ in range(3))
    assert len([statement for statement in queries.statements if "token_cutoffs" in statement]) == 1


def test_a_cut_off_is_kept_to_the_millisecond(revocable):
    with session_scope(revocable) as db:
        cutoff = tokens().cut_off(db, 7)
        stored = db.scalar(token_cutoffs.select().with_only_columns(token_cutoffs.c.not_before))
    assert stored == cutoff
    assert cutoff.microsecond % 1000 == 0


def set_key(registry, key):
    with session_scope(registry) as db:
        db.write(sa.update(users).where(users.c.id == 7).values(token_key=key))


@pytest.mark.parametrize("stored", [None, "", "a key"])
@pytest.mark.parametrize("carried", [None, "", "a key", "another key"])
def test_a_token_is_good_that_carries_the_key_of_its_account(revocable, stored, carried):
    set_key(revocable, stored)
    issuer = tokens()
    for _ in range(2):
        assert is_good(issuer, issue(issuer, key=carried), revocable) is ((carried or "") == (stored or ""))


def test_no_two_accounts_have_one_key():
    keys = {new_token_key() for _ in range(1000)}
    assert len(keys) == 1000
    assert {len(key) for key in keys} == {22}


def key_reads(queries):
    return len([statement for statement in queries.statements if "token_key" in statement])


def test_the_key_of_an_account_is_read_once_in_a_process(session_site, revocable):
    set_key(revocable, "a key")
    issuer = tokens()
    with session_site.queries() as queries:
        assert all(is_good(issuer, issue(issuer, key="a key"), revocable) for _ in range(3))
    assert key_reads(queries) == 1


def test_a_process_knows_the_keys_of_so_many_accounts_and_no_more(session_site, revocable, monkeypatch):
    monkeypatch.setattr(module, "_CACHED_KEYS", 1)
    issuer = tokens()
    with session_site.queries() as queries:
        for user_id in (7, 8, 7):
            with session_scope(revocable) as db:
                assert issuer.verify(issue(issuer, user_id), db).user_id == user_id
    assert key_reads(queries) == 3
    assert len(issuer._keys) == 1


def test_who_has_the_id_now_is_let_in_and_who_had_it_is_not_where_a_process_outlives_a_restore(revocable):
    set_key(revocable, "lost")
    issuer = tokens()
    lost, newcomer = issue(issuer, key="lost"), issue(issuer, key="new")
    assert is_good(issuer, lost, revocable)
    set_key(revocable, "new")
    assert is_good(issuer, newcomer, revocable)
    assert not is_good(issuer, lost, revocable)


@pytest.mark.parametrize("minutes", [-10, 10])
def test_new_cut_offs_are_found_whatever_the_clock_of_a_process_says(revocable, monkeypatch, minutes):
    here, there = tokens(), tokens()
    other_clock = utcnow() + timedelta(minutes=minutes)
    monkeypatch.setattr(module, "utcnow", lambda: other_clock, raising=False)
    for _ in range(2):
        token = issue(here, at=utcnow())
        there.refresh_due()
        assert is_good(there, token, revocable)
        with session_scope(revocable) as db:
            here.cut_off(db, 7)
        there.refresh_due()
        assert not is_good(there, token, revocable)
        with session_scope(revocable) as db:
            db.write(sa.delete(token_cutoffs))
        for issuer in (here, there):
            issuer._cutoffs.clear()


def test_a_cut_off_is_not_before_the_last_one_of_a_clock_that_was_ahead(revocable):
    ahead = datetime.now(UTC).replace(microsecond=0) + timedelta(seconds=5)
    with session_scope(revocable) as db:
        db.write(token_cutoffs.insert().values(user_id=7, not_before=ahead))
        assert tokens().cut_off(db, 7) == ahead
    issuer = tokens()
    assert is_good(issuer, issue(issuer, at=ahead), revocable)
