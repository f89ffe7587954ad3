"""The one spelling of a path: what stands for another one is unknown, since a proxy's rule would miss it."""

from __future__ import annotations

import re
from string import ascii_letters, digits
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

# What traversal would skip or take back, and Pyramid's other way to name a view.
_DETOUR = re.compile(r"//|/\.{1,2}(?:/|$)|/@@")

# RFC 9112, 3.2.1 and 3.2.2, in visible ASCII: urlsplit, which waitress asks, drops tabs and more besides.
_TARGET = re.compile(
    r"(?:https?://[^/?#]+)?(?P<path>(?:/[^?\x00-\x20\x7f-\xff]*)?)(?:\?.*)?", re.ASCII | re.IGNORECASE
)

_ESCAPE = re.compile(r"%([0-9A-Fa-f]{2})")

_NEVER_ESCAPED = frozenset(f"{ascii_letters}{digits}-._~/")
"""The unreserved characters of RFC 3986 (2.3), and the slash, which is something else when it is escaped."""


def has_one_spelling(environ: Mapping[str, Any]) -> bool:
    """Tell whether the path of a request is spelled in the one way that is known; a slash may end it.

    The server may have decoded it already. Where it hands on what was sent too, as waitress does in
    ``REQUEST_URI``, that is looked at as well.
    """
    path = environ.get("PATH_INFO", "")
    if path[:1] not in ("", "/") or _DETOUR.search(path):
        return False
    target = environ.get("REQUEST_URI")
    return target is None or _is_plain(target)


def _is_plain(target: str) -> bool:
    """Tell the same of a request's target as it was sent."""
    match = _TARGET.fullmatch(target)
    if match is None or "#" in match["path"] or _DETOUR.search(match["path"]):
        return False
    return not any(chr(int(code, 16)) in _NEVER_ESCAPED for code in _ESCAPE.findall(match["path"]))
