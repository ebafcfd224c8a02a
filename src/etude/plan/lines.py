"""Text as a plan prints it: wrapped lines, paths as a person would type them, spans of values."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from pathlib import Path


def shown(path: Path) -> Path:
    """Return a path as a person would type it: relative where it lies below the current folder."""
    try:
        return path.absolute().relative_to(Path.cwd())
    except ValueError:
        return path


def wrapped(text: str, indent: int, width: int) -> list[str]:
    """Return ``text`` in lines of at most ``width`` columns, each indented."""
    if len(text) + indent <= width:
        return [" " * indent + text]
    return textwrap.wrap(
        " ".join(text.split()),
        width=max(width, 30),
        initial_indent=" " * indent,
        subsequent_indent=" " * (indent + 2),
        break_on_hyphens=False,
    )


def span(values: Sequence[str], most: int = 6) -> str:
    """Return values in few words: ``1 … 500`` for neighbouring numbers, else the first ones."""
    if len(values) > 2 and all(value.lstrip("-").isdecimal() for value in values):
        numbers = sorted(map(int, values))
        if numbers == list(range(numbers[0], numbers[0] + len(numbers))):
            return f"{numbers[0]} … {numbers[-1]}"
    if len(values) <= most:
        return ", ".join(values)
    return f"{', '.join(values[: most - 2])}, … {values[-1]} ({len(values):,} values)"
