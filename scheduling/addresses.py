"""E-mail addresses: the normal form by which two spellings are one mailbox, and the form that is mailed to.

The domain is mapped by UTS #46 (https://www.unicode.org/reports/tr46/), which makes one letter of full-width,
composed and upper-case letters and drops soft hyphens and zero-width characters, and is written as IDNA 2008
says: ``faß.de`` is ``xn--fa-hia.de``, not ``fass.de``. The part before the @ is mapped by the same table.
"""

from __future__ import annotations

import re
from functools import lru_cache

import idna

MAX_CHARACTERS = 254
"""RFC 5321, 4.5.3.1.3: how long an address may be."""

MAX_TYPED = 255
"""How many characters of an address are stored; what is longer is nobody's, whatever its normal form is."""

MAX_LABEL = 63
"""RFC 1035, 2.3.4: how long a part of a domain may be."""

_QUOTED = re.compile(r'"((?:[^"\\]|\\.)*)"')
_ESCAPED = re.compile(r"\\(.)")
# The zero-width (non-)joiner, which UTS #46 keeps since it tells words of some languages apart.
_JOINERS = str.maketrans("", "", "\u200c\u200d")


def normal_form(address: str) -> str | None:
    """Return what all spellings of a mailbox have in common: lower case, ASCII domain, nothing invisible.

    None for what no mail server can have, such as a domain with a character that UTS #46 does not allow, and
    for what is longer than an address may be. That costs nothing: anybody may send one to log in.
    """
    if len(address) > MAX_TYPED:
        return None
    local, _, domain = address.lower().rpartition("@")
    try:
        local = _mapped(_unquoted(local)).translate(_JOINERS)
        normal = f"{local}@{_ascii_domain(domain)}"
    except idna.IDNAError:
        return None
    return normal if local and len(normal) <= MAX_CHARACTERS else None


def mail_address(address: str) -> str:
    """Return an address as mail servers are told it: its domain in ASCII, the rest as it is.

    Raises ``ValueError`` if there can be no such domain.
    """
    local, _, domain = address.rpartition("@")
    name = _ascii_domain(domain)
    return address if domain.isascii() else f"{local}@{name}"


def _mapped(text: str) -> str:
    return idna.uts46_remap(text, std3_rules=False)


@lru_cache(maxsize=1000)
def _ascii_domain(domain: str) -> str:
    try:
        name = idna.encode(domain, uts46=True).decode()
    except idna.IDNAError:
        # IDNA 2008 has no ☃.example and no [127.0.0.1], which mail servers have nonetheless. It knows where a
        # joiner tells words apart; anywhere else that is one more invisible character.
        labels = [*map(_ascii_label, _mapped(domain.translate(_JOINERS)).removesuffix(".").split("."))]
        if not all(0 < len(label) <= MAX_LABEL for label in labels):
            raise
        name = ".".join(labels)
    return name.removesuffix(".")


def _ascii_label(label: str) -> str:
    return label if label.isascii() else f"xn--{label.encode('punycode').decode()}"


def _unquoted(local: str) -> str:
    """Return ``ann`` for ``"ann"``, which are one mailbox (RFC 5321, 4.1.2), if that needs no escapes."""
    quoted = _QUOTED.fullmatch(local)
    bare = _ESCAPED.sub(r"\1", quoted[1]) if quoted else ""
    return local if not bare or '"' in bare or "\\" in bare else bare
