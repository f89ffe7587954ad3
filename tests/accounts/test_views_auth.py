import bcrypt
import jwt
import pytest
import sqlalchemy as sa

from scheduling.accounts.models import users
from scheduling.db.session import session_scope
from scheduling.testing.site import PASSWORD
from tests.kit.factories import log_in


def registration(**changes):
    return {"name": "Alice", "email": "alice@example.com", "password": PASSWORD} | changes


def register(site, status=201, **changes):
    return site.anonymous.post("/auth/register", registration(**changes), status=status)


def verify(site, token, status=200):
    return site.app.get("/api/v1/auth/verify", headers={"Authorization": f"Bearer {token}"}, status=status)


def columns_of_users(site):
    with session_scope(site.registry) as db:
        return db.rows(sa.select(users))


def test_registering_creates_a_member_and_logs_it_in(site):
    answer = register(site).json
    assert answer.keys() == {"message", "token", "user"}
    assert answer["message"]
    [row] = columns_of_users(site)
    assert answer["user"] == {"id": row.id, "name": "Alice", "email": "alice@example.com"}
    profile = answer["user"] | {"role": "member"}
    assert verify(site, answer["token"]).json == {"valid": True, "user": profile}


def test_nobody_registers_as_an_admin(site):
    verified = verify(site, register(site, role="admin", id=7).json["token"]).json
    assert verified["user"]["role"] == "member"


def test_registering_sends_a_welcome_e_mail(site):
    register(site, name="Alice d'Ampère")
    assert site.mail == []
    site.deliver()
    [mail] = site.mail
    assert (mail.to_name, mail.to_address) == ("Alice d'Ampère", "alice@example.com")
    assert mail.subject == "Welcome, Alice d'Ampère"
    assert mail.text.startswith("Hello Alice d'Ampère,\n")
    assert "Hello Alice d&#39;Ampère,</p>" in mail.html


@pytest.mark.parametrize(
    "name",
    [
        "Dear customer,\r\n\r\nYour account is locked. Unlock it at https://evil.example/" + "x" * 100,
        "www.evil.example",
        "Alice <b>Ampère</b>\nBcc: all@example.com",
        "Call 030 1234567",
    ],
)
def test_registering_somebody_elses_address_tells_that_person_nothing(site, name):
    register(site, name=name)
    site.deliver()
    [mail] = site.mail
    assert (mail.to_name, mail.subject) == ("", "Welcome")
    assert mail.text.startswith("Hello,\n")
    assert "Hello,</p>" in mail.html
    assert "evil" not in mail.text + mail.html


@pytest.mark.parametrize(
    "line_break", ["\n", "\r\n", "\r", "\x0b", "\x0c", "\x1b", "\x85", "\u2028", "\u2029"]
)
def test_a_name_is_kept_as_one_line(site, line_break):
    answer = register(site, name=f" Alice{line_break}Ampère{line_break}")
    assert answer.json["user"]["name"] == "Alice Ampère"
    alice = site.user("Bob")
    assert alice.patch("/users/me", {"name": f"Bob{line_break}B."}).json["user"]["name"] == "Bob B."


def test_a_name_of_control_characters_counts_as_missing(site):
    assert set(register(site, status=400, name="\x01\x02").json["errors"]) == {"name"}


def test_a_refused_registration_sends_nothing(site):
    register(site)
    register(site, status=400)
    site.deliver()
    assert len(site.mail) == 1


@pytest.mark.parametrize("field", ["name", "email", "password"])
@pytest.mark.parametrize("value", [None, "", "   "])
def test_registering_needs_name_address_and_password(site, field, value):
    errors = register(site, status=400, **{field: value}).json["errors"]
    assert errors == {field: ["is required"]}


def test_registering_without_any_member_names_all_three(site):
    answer = site.anonymous.post("/auth/register", {}, status=400).json
    assert answer["errors"].keys() == {"name", "email", "password"}


@pytest.mark.parametrize(
    "email",
    [
        "alice",
        "alice@",
        "@example.com",
        "alice@example",
        "alice@@example.com",
        "alice@example..com",
        "alice@-example.com",
        "al ice@example.com",
        "alice@exam ple.com",
        "alice@example.com\r\nBcc: bob@example.com",
        '"a b"@example.com',
        "Alice <alice@example.com>",
        "alice@example.com,bob@example.com",
        "a" * 250 + "@example.com",
        7,
        ["alice@example.com"],
    ],
)
def test_a_malformed_address_is_a_400(site, email):
    assert list(register(site, status=400, email=email).json["errors"]) == ["email"]


@pytest.mark.parametrize(
    "email", ["a.b+tag@sub.example.co.uk", "o'neil@example.com", "用户@example.com", "ann@bücher.example"]
)
def test_unusual_addresses_are_good(site, email):
    assert register(site, email=f"  {email} ").json["user"]["email"] == email
    assert log_in(site, email).json["user"]["email"] == email


@pytest.mark.parametrize(
    "password",
    [
        "12345",
        "ñandú",
        "x" * 73,
        "é" * 36 + "x",
        "🔑" * 19,
        # In NFC too, which makes two letters of each of these.
        "\u0958" * 24,
        1234567,
        ["secret123"],
    ],
)
def test_a_password_that_is_too_short_or_too_long_is_a_400(site, password):
    assert list(register(site, status=400, password=password).json["errors"]) == ["password"]


@pytest.mark.parametrize(
    "password", ["123456", "ñandúes", "nandu\u0301", "x" * 72, "é" * 36, "🔑" * 18, "  spaces  kept  "]
)
def test_a_password_of_6_characters_to_72_bytes_is_good_as_it_is(site, password):
    register(site, password=password)
    log_in(site, password=password)
    log_in(site, password=password[:-1], status=401)


def test_a_name_may_have_255_characters(site):
    register(site, name="é" * 255)
    assert list(register(site, email="b@example.com", name="é" * 256, status=400).json["errors"]) == ["name"]


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("alice@example.com", "alice@example.com"),
        ("alice@example.com", "ALICE@Example.COM"),
        ("Alice@Example.com", " alice@example.com "),
        ("ann@bücher.example", "ANN@BÜCHER.example"),
        ("ÉMILE@example.com", "émile@EXAMPLE.com"),
    ],
)
def test_an_address_that_is_taken_in_any_case_is_a_400(site, first, second):
    register(site, email=first)
    answer = register(site, status=400, email=second).json
    assert answer["error"] == "Email already in use"
    assert answer["errors"] == {"email": ["Email already in use"]}


def test_passwords_are_kept_only_as_bcrypt_hashes_of_the_set_cost(site):
    register(site)
    [row] = columns_of_users(site)
    assert row.password_hash.startswith("$2b$04$")
    assert bcrypt.checkpw(PASSWORD.encode(), row.password_hash.encode())


@pytest.mark.parametrize("email", ["alice@example.com", "ALICE@example.com", " Alice@Example.Com "])
def test_logging_in_gives_a_token_and_the_user(site, email):
    user = register(site).json["user"] | {"role": "member"}
    answer = log_in(site, email).json
    assert answer.keys() == {"message", "token", "user"}
    assert answer["user"] == user
    assert verify(site, answer["token"]).json["user"] == user


@pytest.mark.parametrize("field", ["email", "password"])
@pytest.mark.parametrize("value", [None, "", " ", 7, [], {}])
def test_logging_in_needs_address_and_password(site, field, value):
    sent = {"email": "alice@example.com", "password": PASSWORD} | {field: value}
    assert list(site.anonymous.post("/auth/login", sent, status=400).json["errors"]) == [field]


@pytest.mark.parametrize(
    ("email", "password"),
    [
        ("alice@example.com", "Secret123"),
        ("alice@example.com", "x" * 500),
        ("nobody@example.com", PASSWORD),
        ("not an address", PASSWORD),
        ("x" * 300 + "@example.com", PASSWORD),
        ("' OR 1=1 --", PASSWORD),
        ("%", PASSWORD),
        ("alice_example.com", PASSWORD),
    ],
)
def test_wrong_credentials_are_a_401_that_does_not_say_what_was_wrong(site, email, password):
    register(site)
    answer = log_in(site, email, password, status=401)
    assert answer.json["error"] == "Invalid credentials"
    assert answer.headers["WWW-Authenticate"] == "Bearer"
    expected = {"type", "title", "status", "code", "detail", "error"}
    assert answer.json.keys() == expected


def test_an_account_whose_hash_is_no_bcrypt_hash_cannot_log_in(site):
    register(site)
    with session_scope(site.registry) as db:
        db.write(sa.update(users).values(password_hash="!"))
    log_in(site, status=401)


def test_bcrypt_works_as_hard_whether_the_address_exists_or_not(site, monkeypatch):
    register(site)
    work, checkpw = [], bcrypt.checkpw

    def counting(password, hashed):
        work.append((password, hashed[:7]))
        return checkpw(password, hashed)

    monkeypatch.setattr("bcrypt.checkpw", counting)
    for email in ("alice@example.com", "nobody@example.com", "no address"):
        log_in(site, email, "wrong password", status=401)
    assert work == [(b"wrong password", b"$2b$04$")] * 3


def test_a_log_in_asks_the_database_as_much_whether_the_address_exists_or_not(site):
    register(site)
    counts = []
    for email in ("alice@example.com", "nobody@example.com"):
        with site.queries() as queries:
            log_in(site, email, "wrong password", status=401)
        counts.append(len(queries))
    assert counts[0] == counts[1]


def test_logging_out_leaves_a_stateless_token_alone(site):
    alice = site.user()
    for sent in ({}, {"everywhere": False}, {"everywhere": None}, {"junk": [1, {"a": None}]}):
        assert alice.post("/auth/logout", sent, status=200).json.keys() == {"message"}
    alice.get("/auth/verify", status=200)


@pytest.mark.parametrize("junk", ["true", "yes", 1, 0, [], {}, [True]])
def test_everywhere_is_true_or_false_and_nothing_else(site, junk):
    alice = site.user()
    answer = alice.post("/auth/logout", {"everywhere": junk}, status=400).json
    assert list(answer["errors"]) == ["everywhere"]
    alice.get("/auth/verify", status=200)


def test_logging_out_everywhere_ends_every_token_of_this_user_alone(site):
    alice, bob = site.user("Alice"), site.user("Bob")
    other = log_in(site, alice.email).json["token"]
    assert alice.post("/auth/logout", {"everywhere": True}, status=200).json.keys() == {"message"}
    for token in (alice.token, other):
        assert verify(site, token, status=401).headers["WWW-Authenticate"] == "Bearer"
    alice.post("/auth/logout", {"everywhere": True}, status=401)
    bob.get("/auth/verify", status=200)
    verify(site, log_in(site, alice.email).json["token"])


def test_verifying_tells_what_holds_now_not_what_the_token_says(site):
    alice = site.user()
    alice.patch("/users/me", {"name": "Alicia", "email": "alicia@example.com"}, status=200)
    user = alice.get("/auth/verify", status=200).json["user"]
    assert user == {"id": alice.id, "name": "Alicia", "email": "alicia@example.com", "role": "member"}


def test_the_token_carries_the_claims_of_the_contract_for_7_days(site):
    token = register(site).json["token"]
    assert jwt.get_unverified_header(token)["alg"] == "HS256"
    claims = jwt.decode(token, site.registry.core_settings.jwt_secret, algorithms=["HS256"])
    assert (claims["email"], claims["role"]) == ("alice@example.com", "member")
    assert claims["id"] == columns_of_users(site)[0].id
    assert claims["exp"] - claims["iat"] == 7 * 24 * 60 * 60
    assert PASSWORD not in str(claims)


def test_two_tokens_of_one_user_differ_also_in_one_second(site):
    register(site)
    assert log_in(site).json["token"] != log_in(site).json["token"]
