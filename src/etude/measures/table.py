"""Rows of text under one another, and numbers as a person reads them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence


def aligned(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """Yield rows with their columns under one another: the first to the left, others to the right.

    A row may have fewer cells than the longest.
    """
    widths = [
        max(len(row[column]) for row in rows if column < len(row))
        for column in range(max(map(len, rows), default=0))
    ]
    for row in rows:
        cells = [
            cell.ljust(width) if not place else cell.rjust(width)
            for place, (cell, width) in enumerate(zip(row, widths, strict=False))
        ]
        yield (" " + "   ".join(cells)).rstrip()


def number(value: float | None, form: str = ".3f") -> str:
    """Return a number in a form, a dash of none."""
    return "–" if value is None else format(value, form)
