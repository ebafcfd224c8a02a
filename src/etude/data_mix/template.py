"""Filling text templates from a row's columns."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from etude.errors import DataError
from etude.sources.text import Unreadable, as_text

_FIELD = re.compile(r"\{\{(\w*)\}\}|\{([A-Za-z_]\w*)\}")


def names(template: str) -> list[str]:
    """Return the columns a template reads, in order of first use."""
    found = [match.group(2) for match in _FIELD.finditer(template) if match.group(2)]
    return list(dict.fromkeys(found))


def fill(template: str, row: Mapping[str, Any], where: str) -> str:
    """Return the template with each ``{column}`` replaced by the row's value.

    ``{{word}}`` stands for ``{word}`` itself; any other brace is plain text, so LaTeX
    (``\\boxed{}``) needs no escape. Values are put in as they are and never read as templates.
    Raises DataError where a column is missing, null or no text; ``where`` names the template's
    key.
    """

    def value(match: re.Match[str]) -> str:
        name = match.group(2)
        if name is None:
            return "{" + match.group(1) + "}"
        if row.get(name) is None:
            state = "is null in" if name in row else "is no column of"
            there = ", ".join(key for key, content in row.items() if content is not None)
            raise DataError(
                f"{where}={template!r}: '{name}' {state} row {row.get('id')}; it has {there}"
            )
        try:
            return str(as_text(row[name]))
        except Unreadable as problem:
            raise DataError(
                f"{where}={template!r}: '{name}' of row {row.get('id')} {problem}"
            ) from problem

    return _FIELD.sub(value, template)
