"""What an e-mail shows of a text that somebody wrote, and what looks like a name."""

import pytest

from scheduling.email.untrusted import looks_like_a_name, shown


@pytest.mark.parametrize(
    "name",
    [
        "Alice",
        "Zoë d'Ampère",
        "María de los Ángeles García-López",
        "Martin Luther King, Jr.",
        "J.R.R. Tolkien",
        "O\u2019Neill",
        "會議",
        "राम कुमार",
        "e\u0301lodie",
        "نور الدين",
    ],
)
def test_a_name_looks_like_one(name):
    assert looks_like_a_name(name)


@pytest.mark.parametrize(
    "text",
    [
        "",
        " . ",
        "Agent 47",
        "Agent ٤٧",
        "https://evil",
        "a/b",
        "evil.example",
        "www.x",
        "www. evil",
        "evil\u3002example",
        "eve@localhost",
        "Your account is locked, call us",
        "Alice\nBob",
        "Alice \u202ebob",
        "<b>",
        "{{ name }}",
        "Alice 🎉",
        "x" * 61,
    ],
)
def test_anything_else_does_not(text):
    assert not looks_like_a_name(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("https://evil.example/a.b", "https:\u200b//evil.\u200bexample/a.\u200bb"),
        ("eve@evil.example", "eve@\u200bevil.\u200bexample"),
        ("Dr. No at 09:30", "Dr. No at 09:30"),
        (" a \t b\r\n\x1b c ", "a b c"),
        ("a\u202eb\u2066c", "abc"),
        ("x" * 60, "x" * 60),
        ("x" * 61, "x" * 59 + "…"),
        ("x" * 58 + " yz", "x" * 58 + "…"),
    ],
)
def test_a_text_is_one_short_line_without_links(text, expected):
    assert shown(text) == expected


def test_the_limit_may_be_another():
    assert shown("x" * 61, 61) == "x" * 61
