"""What a client sends: the header Idempotency-Key and the methods that have it."""

from __future__ import annotations

import re

from scheduling.exceptions import Invalid

HEADER = "Idempotency-Key"
MAX_LENGTH = 255

METHODS = frozenset({"POST", "PATCH", "DELETE"})
"""The methods whose repetition could do something twice, or end in another answer."""

# https://www.rfc-editor.org/rfc/rfc8941#section-3.3.3, without parameters, which the draft does not have.
_STRING = re.compile(r'"((?:[ !#-\[\]-~]|\\["\\])*)"')
_ESCAPED = re.compile(r"\\(.)")
# Without a comma: servers join two lines of the header with one.
_PRINTABLE = re.compile(r"[ -+\--~]+")


def parse_key(sent: str) -> str:
    """Return the key in the value of the header: ``k`` for ``"k"`` as for ``k``.

    Raises :class:`Invalid` where there is none of 1 to 255 printable ASCII characters.
    """
    sent = sent.strip(" \t")
    if sent.startswith('"'):
        string = _STRING.fullmatch(sent)
        key = _ESCAPED.sub(r"\1", string[1]) if string else ""
    else:
        key = sent if _PRINTABLE.fullmatch(sent) else ""
    if not 1 <= len(key) <= MAX_LENGTH:
        wrong = f'must be once, and 1 to {MAX_LENGTH} printable ASCII characters, as k or as "k"'
        raise Invalid({HEADER: [wrong]})
    return key
