"""What the docstrings of views, schemas and resources say, in the Markdown of the document."""

from __future__ import annotations

from inspect import cleandoc
from typing import Any


def text(documented: Any) -> str:
    """Return the docstring of a function or class, and not of what it is derived from; empty without one."""
    return cleandoc(documented.__doc__ or "").replace("``", "`")


def first_line(documented: Any) -> str:
    """Return the first line of the docstring, without the full stop."""
    return text(documented).partition("\n")[0].removesuffix(".")
