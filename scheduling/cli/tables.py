"""Prints tables in the terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from scheduling.logs import printable

if TYPE_CHECKING:
    from collections.abc import Sequence

WIDTH = 120
"""No line of a table is longer; what is cut off ends in an ellipsis."""


def print_table(headers: Sequence[str], rows: Sequence[Sequence[str]], *, numeric: bool = False) -> None:
    """Print rows in aligned columns; with ``numeric`` all but the first are aligned to the right."""
    lines = [headers, *([printable(" ".join(cell.split())) for cell in row] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    for line in lines:
        cells = [
            cell.rjust(width) if numeric and i else cell.ljust(width)
            for i, (cell, width) in enumerate(zip(line, widths, strict=True))
        ]
        text = "  ".join(cells).rstrip()
        click.echo(text if len(text) <= WIDTH else f"{text[: WIDTH - 1]}…")
