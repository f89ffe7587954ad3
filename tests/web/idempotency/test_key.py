"""What a key may be, and that both spellings of one are one."""

import re
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scheduling.exceptions import Invalid
from scheduling.web.idempotency.key import parse_key

PRINTABLE = [chr(number) for number in range(0x20, 0x7F)]
KEYS = st.text(st.sampled_from(PRINTABLE), min_size=1, max_size=255)


def quoted(key):
    """Return a key as RFC 8941 writes a string."""
    return '"' + re.sub(r'(["\\])', r"\\\1", key) + '"'


@given(KEYS, st.text(" \t", max_size=3))
def test_a_string_is_its_key(key, around):
    assert parse_key(around + quoted(key) + around) == key


@given(KEYS.filter(lambda key: key == key.strip() and not key.startswith('"') and "," not in key))
def test_a_bare_key_is_itself_and_the_same_as_in_quotes(key):
    assert parse_key(key) == parse_key(quoted(key)) == key


@given(st.text(max_size=600))
def test_whatever_is_sent_is_a_key_or_refused(sent):
    with suppress(Invalid):
        key = parse_key(sent)
        assert 1 <= len(key) <= 255
        assert set(key) <= set(PRINTABLE)


@pytest.mark.parametrize(
    "sent",
    [
        "",
        " ",
        '"',
        '""',
        '"k',
        '"k"x',
        '"k" "k"',
        '"a", "b"',
        '"k";a=1',
        '"a\\b"',
        '"a"b"',
        "a\tb",
        "schlüssel",
        '"schlüssel"',
        # As servers join two lines of the header.
        "a, b",
        "k" * 256,
        quoted("k" * 256),
    ],
)
def test_what_is_no_key_is_refused(sent):
    with pytest.raises(Invalid, match="1 to 255 printable ASCII characters"):
        parse_key(sent)


@pytest.mark.parametrize("sent", ["k" * 255, quoted("k" * 255), quoted('"' * 255)])
def test_the_longest_key_has_255_characters_without_quotes_and_escapes(sent):
    assert len(parse_key(sent)) == 255
