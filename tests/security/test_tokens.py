import time
from base64 import urlsafe_b64decode, urlsafe_b64encode
from datetime import UTC, datetime, timedelta

import jwt
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scheduling.db.session import session_scope
from scheduling.security.tokens import TokenError, Tokens, token_cutoffs

SECRET = "a secret of the tests that is long enough for every algorithm that a forger may try"
HOUR = 3600
JSON = st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.lists(st.integers())


def tokens(lifetime=HOUR, secret=SECRET, fallbacks=()):
    return Tokens(secret, lifetime, fallbacks)


@pytest.fixture(scope="module")
def verified(session_site):
    """Give a function that returns the claims of a token, None if it is refused."""
    session_site.clear()
    verifier = tokens()

    def claims_of(token):
        with session_scope(session_site.registry) as db:
            try:
                return verifier.verify(token, db)
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
    claims = verified(tokens().issue(user_id, email, role))
    assert (claims.user_id, claims.email, claims.role) == (user_id, email, role)


def test_a_token_has_the_contracts_claims():
    before = int(time.time())
    token = tokens().issue(7, "alice@example.com", "admin")
    claims = decoded(token)
    assert jwt.get_unverified_header(token)["alg"] == "HS256"
    assert (claims["id"], claims["email"], claims["role"]) == (7, "alice@example.com", "admin")
    assert before <= claims["iat"] <= time.time()
    assert claims["exp"] == claims["iat"] + HOUR
    assert claims["sub"] == "7"


def test_two_tokens_differ():
    issuer = tokens()
    assert issuer.issue(7, "a@example.com", "member") != issuer.issue(7, "a@example.com", "member")


def test_a_token_of_the_reference_system_is_good(verified):
    assert verified(signed(payload())).user_id == 7


def test_an_expired_token_is_refused_and_says_so(session_site):
    token = tokens(lifetime=-1).issue(7, "a@example.com", "member")
    with session_scope(session_site.registry) as db, pytest.raises(TokenError, match="expired"):
        tokens().verify(token, db)


def test_a_token_expires_although_it_was_verified_before(verified, monkeypatch):
    token = tokens().issue(7, "a@example.com", "member")
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
    body = tokens().issue(7, "a@example.com", "member").split(".")[1]
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
    token = tokens(secret=signer).issue(7, "a@example.com", "member")
    assert is_good(tokens(secret=NEW, fallbacks=[SECRET, OLDER]), token, revocable)


def test_a_token_of_a_secret_that_is_no_fallback_any_more_is_refused(revocable):
    token = tokens(secret=OLDER).issue(7, "a@example.com", "member")
    for remaining in ([], [SECRET]):
        assert not is_good(tokens(secret=NEW, fallbacks=remaining), token, revocable)


def test_new_tokens_are_signed_by_the_secret_itself(revocable):
    token = tokens(secret=NEW, fallbacks=[SECRET]).issue(7, "a@example.com", "member")
    assert is_good(tokens(secret=NEW), token, revocable)
    assert not is_good(tokens(secret=SECRET), token, revocable)


def test_a_token_of_a_fallback_expires_and_is_cut_off_as_any_other(revocable):
    rotated = tokens(secret=NEW, fallbacks=[SECRET])
    expired, cut_off = (tokens(lifetime).issue(7, "a@example.com", "member") for lifetime in (-1, HOUR))
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
    usual, old = (tokens(secret=secret).issue(7, "a@example.com", "member") for secret in (NEW, SECRET))

    assert all(is_good(rotated, token, revocable) for token in (usual, usual, old, old))

    assert verified_with == [NEW, NEW, SECRET]


@pytest.fixture
def revocable(session_site):
    session_site.clear()
    yield session_site.registry
    session_site.clear()


def issued_at(issuer, milliseconds):
    return issuer.issue(7, "a@example.com", "member", not_before_ms=milliseconds)


def is_good(issuer, token, registry):
    with session_scope(registry) as db:
        try:
            return issuer.verify(token, db).user_id == 7
        except TokenError:
            return False


def test_a_cut_off_ends_the_tokens_before_it_in_every_process(revocable):
    here, there = tokens(), tokens()
    old = here.issue(7, "a@example.com", "member")
    assert is_good(here, old, revocable)
    assert is_good(there, old, revocable)
    with session_scope(revocable) as db:
        cutoff = here.cut_off(db, 7)
    new = issued_at(here, cutoff)
    there.refresh_due()
    for issuer in (here, there, tokens()):
        assert not is_good(issuer, old, revocable)
        assert is_good(issuer, new, revocable)


def test_a_cut_off_is_for_one_user_alone(revocable):
    issuer = tokens()
    others = issuer.issue(7, "a@example.com", "member")
    with session_scope(revocable) as db:
        issuer.cut_off(db, 8)
    assert is_good(issuer, others, revocable)


def test_a_cut_off_that_is_rolled_back_never_was(revocable):
    issuer = tokens()
    token = issuer.issue(7, "a@example.com", "member")
    with pytest.raises(ZeroDivisionError), session_scope(revocable) as db:
        assert issuer.cut_off(db, 7) / 0
    assert is_good(issuer, token, revocable)


def test_a_later_cut_off_replaces_an_earlier_one(revocable):
    issuer = tokens()
    earlier = datetime.now(UTC) - timedelta(minutes=1)
    with session_scope(revocable) as db:
        db.write(token_cutoffs.insert().values(user_id=7, not_before=earlier))
    between = issuer.issue(7, "a@example.com", "member")
    assert is_good(issuer, between, revocable)
    with session_scope(revocable) as db:
        later = issuer.cut_off(db, 7)
    for process in (issuer, tokens()):
        assert not is_good(process, between, revocable)
        assert is_good(process, issued_at(issuer, later), revocable)


def test_cut_offs_are_asked_for_at_most_once_a_second(session_site, revocable):
    issuer = tokens()
    token = issuer.issue(7, "a@example.com", "member")
    with session_site.queries() as queries:
        assert all(is_good(issuer, token, revocable) for _ in range(3))
    assert len([statement for statement in queries.statements if "token_cutoffs" in statement]) == 1


def test_a_cut_off_is_kept_to_the_millisecond(revocable):
    with session_scope(revocable) as db:
        cutoff = tokens().cut_off(db, 7)
        stored = db.scalar(token_cutoffs.select().with_only_columns(token_cutoffs.c.not_before))
    assert stored == datetime.fromtimestamp(cutoff / 1000, UTC)
