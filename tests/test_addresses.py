"""The normal form of an address, and the form that is mailed to."""

import re
import sys

import idna
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from marshmallow import ValidationError, validate

from scheduling.addresses import mail_address, normal_form
from scheduling.web.schemas import EmailAddress

SPELLINGS = {
    "foo@example.com": [
        "FOO@EXAMPLE.COM",
        "foo@example.com\u200b",  # zero-width space
        "foo@example.com\u200d",  # zero-width joiner where nothing is to be joined
        "foo@exam\u00adple.com",  # soft hyphen
        "foo@\ufeffexample\u2060.com",  # byte order mark, word joiner
        "foo@\uff45xample.com",  # full-width e
        "\uff46oo@example\u3002com",  # full-width f, ideographic full stop
        "foo@example.com\uff0e",  # the root, with a full-width full stop
        "fo\u3164o@example.com",  # Hangul filler, a letter without a shape
        '"foo"@example.com',
        r'"f\oo"@example.com',
    ],
    "user@xn--mnchen-3ya.de": ["user@münchen.de", "user@mu\u0308nchen.de", "USER@XN--MNCHEN-3YA.DE"],
    "user@xn--fa-hia.de": ["user@faß.de", "user@FA\u1e9e.de"],
    "user@fass.de": ["user@FASS.de"],
    "k@example.com": ["\u212a@example.com"],  # the sign for kelvin
    "ann@localhost": ["ann@LOCALHOST"],
    "ann@box.local": ["Ann@Box.Local"],
    "ann@example.test": ["ann@example.TEST"],
    "ann@[127.0.0.1]": ["ANN@[127.0.0.1]"],
    "ann@xn--n3h.com": ["ann@☃.com"],  # UTS #46 has it, IDNA 2008 does not
    "ann@ab--cd.com": ["ann@AB--cd.com"],
}
NONE = [
    *("", "foo", "@", "foo@", "@example.com", "foo@.com", "foo@\u00ad.com", "foo@example..com"),
    "\u3164@example.com",  # nobody sees anything before the @
    "foo@example.com\u202e",  # it would turn what follows around
    "foo@exam\ue000ple.com",
    "foo@example\udcff.com",
    f"foo@{'x' * 64}.com",
    f"foo@{'é' * 60}.{'é' * 60}.{'é' * 60}.com",
    f"{'ﷺ' * 20}@example.com",  # each is 18 letters
]

texts = st.text(max_size=20)
addresses = st.builds("{}@{}".format, texts, texts) | st.emails() | st.text()


@pytest.mark.parametrize(
    ("normal", "typed"), [(normal, typed) for normal, others in SPELLINGS.items() for typed in others]
)
def test_all_spellings_of_a_mailbox_have_one_normal_form(normal, typed):
    assert (normal_form(normal), normal_form(typed)) == (normal, normal)


@pytest.mark.parametrize("address", NONE, ids=ascii)
def test_what_no_mail_server_can_have_has_no_normal_form(address):
    assert normal_form(address) is None


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("foo+tag@example.com", "foo@example.com"),
        ("f.oo@example.com", "foo@example.com"),
        ("strasse@example.com", "straße@example.com"),
        ("ann@fass.de", "ann@faß.de"),
        # A joiner that tells two words of Persian apart.
        ("ann@نامه\u200cای.com", "ann@نامهای.com"),  # noqa: RUF001 - they are no Latin letters
        ("ınes@example.com", "ines@example.com"),  # noqa: RUF001 - a dotless i
    ],
)
def test_different_mailboxes_stay_different(first, second):
    assert normal_form(first) != normal_form(second)


@given(addresses)
def test_the_normal_form_of_a_normal_form_is_itself(address):
    normal = normal_form(address)
    assume(normal is not None)
    assert normal_form(normal) == normal
    assert len(normal) <= 254
    assert normal.rpartition("@")[2].isascii()


@given(addresses)
def test_case_makes_no_difference(address):
    assert normal_form(address.lower()) == normal_form(address)


def test_no_letter_is_told_from_its_other_case_or_changes_twice():
    letters = filter(str.isalpha, map(chr, range(sys.maxunicode + 1)))
    for letter in letters:
        normal = normal_form(f"a{letter}b@example.com")
        assert normal is not None, hex(ord(letter))
        assert normal_form(normal) == normal == normal_form(f"a{letter.lower()}b@example.com")


# No capitals: of a sigma at the end of a word str.lower() makes another letter than UTS #46.
@given(st.text(st.characters(categories=["Ll", "Lo", "Nd"]), min_size=1, max_size=9))
def test_a_domain_that_idna_2008_has_is_written_as_it_says(label):
    try:
        written = idna.encode(f"{label}.example", uts46=True).decode()
    except idna.IDNAError:
        return
    assert normal_form(f"a@{label}.example") == f"a@{written}"


# What is accepted


@given(st.emails() | st.from_regex(validate.Email.USER_REGEX, fullmatch=True).map("{}@example.test".format))
def test_an_ascii_address_that_was_accepted_without_normal_forms_still_is(address):
    assume(address.isascii() and len(address) <= 254 and not re.search(r"[\x00-\x20\x7f]", address))
    try:
        validate.Email()(address)
    except ValidationError:
        return
    assert EmailAddress().deserialize(address) == address


@pytest.mark.parametrize("filler", ["\u00ad", "\\a", "x"])
def test_what_is_longer_than_any_address_that_is_stored_has_no_normal_form(filler):
    assert normal_form(f'"{filler * 300}ann"@example.com') is None
    assert normal_form(f"ann@example.com{chr(0xAD) * 300}") is None


# What is mailed to


@pytest.mark.parametrize(
    ("address", "mailed"),
    [
        ("User@faß.de", "User@xn--fa-hia.de"),
        ("User@Example.COM", "User@Example.COM"),
        ("zoë@bücher.example", "zoë@xn--bcher-kva.example"),
        ("foo@exam\u00adple.com", "foo@example.com"),
        ("ann@☃.com", "ann@xn--n3h.com"),
        ("root@localhost", "root@localhost"),
        ("root@[127.0.0.1]", "root@[127.0.0.1]"),
    ],
)
def test_mail_goes_to_the_domain_in_ascii_and_leaves_the_rest_as_it_is(address, mailed):
    assert mail_address(address) == mailed


@pytest.mark.parametrize(
    "address", ["ann@", "ann@example..com", f"ann@{'x' * 64}.com", "ann@example.com\u202e"]
)
def test_an_address_that_cannot_be_mailed_to_is_an_error(address):
    with pytest.raises(ValueError, match=r"."):
        mail_address(address)
