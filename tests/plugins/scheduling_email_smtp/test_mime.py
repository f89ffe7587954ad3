import re
from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from scheduling.testing.providers import KEYS, MAIL
from scheduling_email_smtp.mime import compose

# One line, as core makes sure that names and subjects are.
printable = st.characters(exclude_categories=["Cs", "Cc", "Zl", "Zp"])
ascii_only = st.characters(min_codepoint=32, max_codepoint=126)
lines = st.one_of(st.text(printable, max_size=200), st.text(ascii_only, max_size=300)).map(
    lambda text: " ".join(text.split())
)
bodies = st.text(st.characters(exclude_categories=["Cs"]), max_size=300)


@settings(deadline=None)
@given(name=lines, subject=lines, text=bodies, html=bodies)
def test_whatever_is_written_arrives_and_nothing_else(received, head, name, subject, text, html):
    mail = replace(MAIL, to_name=name, subject=subject, text=text, html=html)

    content = compose(mail, KEYS[0]).content

    assert content.isascii()
    assert not re.search(rb"(?<!\r)\n|\r(?!\n)", content)
    ours = {"From", "To", "Subject", "Date", "Message-ID", *MAIL.headers}
    assert head(content).keys() == ours | {"MIME-Version", "Content-Type"}
    assert all(len(word) <= 75 for word in re.findall(rb"=\?[^?]*\?[qb]\?[^?]*\?=", content))
    got = received(content)
    assert (got.to_name, got.subject, got.headers) == (name, subject, MAIL.headers)
    assert [unified(got.text), unified(got.html)] == [unified(text), unified(html)]


def unified(body):
    """A body without what a line's end is made of, and how many there are at its end."""
    return re.sub(r"\r\n|\r", "\n", body).rstrip("\n")
