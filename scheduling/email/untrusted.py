"""What an e-mail shows of texts that people wrote, whose reader may be somebody they want to deceive.

Anybody can register the address of somebody else, and then has us write to that person. So a name or a title
in an e-mail is one line, short, and nothing that a mail client makes a link of.
"""

from __future__ import annotations

import re
import unicodedata

from scheduling.texts import one_line, shorten

LIMIT = 60
"""How many characters of a text an e-mail shows where its template names no other number."""

_MAX_WORDS = 5
"""How many words a name has; sentences have more."""

# Embeddings, overrides and isolates of bidirectional text, which reorder what stands after them.
_STEERING = re.compile("[\u202a-\u202e\u2066-\u2069]")

# Where a mail client would see one address: behind a dot (also those that browsers read as one), behind an @,
# and behind a scheme's colon, which is no clock's.
_LINK = re.compile("(?<=[.\u3002\uff0e\uff61@\uff20])(?=\\S)|(?<=[:\uff1a])(?=[^\\s\\d])")

_ZERO_WIDTH_SPACE = "\u200b"

# Letters, and what stands between them in names.
_NAME = re.compile("(?:[^\\W\\d_]|['\u2019. ,-])*[^\\W\\d_](?:[^\\W\\d_]|['\u2019. ,-])*")
_DOMAIN = re.compile(r"\.\w\w|www\.", re.IGNORECASE)


def shown(text: str, limit: int = LIMIT) -> str:
    """Return a text as an e-mail may show it: on one line, at most ``limit`` characters, without links.

    A zero-width space stands wherever a mail client could recognise an address.
    """
    line = " ".join(_STEERING.sub("", one_line(text)).split())
    return _LINK.sub(_ZERO_WIDTH_SPACE, shorten(line, limit))


def looks_like_a_name(text: str) -> bool:
    """Tell whether a text could be what a person is called, and says nothing else.

    That is a few words of letters and of what stands between them in names. A domain is none, nor is anything
    with digits, slashes or colons.
    """
    # Without their marks, which are no letters to a regular expression.
    letters = "".join(char for char in text if not unicodedata.category(char).startswith("M"))
    return (
        len(text) <= LIMIT
        and len(text.split()) <= _MAX_WORDS
        and _NAME.fullmatch(letters) is not None
        and _DOMAIN.search(letters) is None
    )
