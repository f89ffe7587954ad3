import logging
from dataclasses import replace

import pytest

from scheduling.email.mock import MockProvider
from scheduling.testing.providers import KEYS, MAIL, make_provider


@pytest.fixture
def printed(caplog):
    """A function that sends an e-mail and returns what was printed."""
    caplog.set_level(logging.INFO)

    def printed(**changes):
        make_provider(MockProvider, {}).send(replace(MAIL, **changes), KEYS[0])
        return caplog.messages[-1]

    return printed


def test_an_email_is_printed_with_its_text(printed):
    text = printed(text="Hello Zoë,\n\n  ünïcödé ☕\n")
    for line in ("    To:      Alice Example <alice@example.com>", "    Hello Zoë,", "      ünïcödé ☕"):
        assert line in text.splitlines()


@pytest.mark.parametrize("field", ["sender", "to_name", "to_address", "subject", "text"])
@pytest.mark.parametrize("character", ["\x1b", "\x07", "\x7f", "\x9b", "\u202e", "\u2066", "\u200f"])
def test_nothing_in_it_steers_the_terminal(printed, field, character):
    text = printed(**{field: f"Eve {character}[2J evil"})
    assert character not in text
    assert "Eve �[2J evil" in text


def test_the_same_key_has_the_same_id():
    provider = make_provider(MockProvider, {})
    ids = [provider.send(MAIL, key).provider_id for key in (KEYS[0], KEYS[0], KEYS[1])]
    assert ids[0] == ids[1] != ids[2]
