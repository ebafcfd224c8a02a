"""Problems that are asked in other words, under ids of their own."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from etude.rows import Example, Message


def reworded(
    problem: Example,
    mark: str,
    word: Callable[[str], str],
    columns: Mapping[str, Any] | None = None,
) -> Example:
    """Return a problem with its last user message in other words, called ``<its id>#<mark>``.

    ``columns`` are laid over the row's own.
    """
    messages = list(problem.messages)
    for place in reversed(range(len(messages))):
        if messages[place].role == "user":
            messages[place] = Message("user", word(messages[place].content))
            break
    return replace(
        problem,
        id=f"{problem.id}#{mark}",
        prompt=word(problem.prompt),
        columns={**problem.columns, **(columns or {})},
        messages=tuple(messages),
    )


def asked_instead(
    problem: Example, mark: str, text: str, columns: Mapping[str, Any] | None = None
) -> Example:
    """Return a problem that asks ``text`` where it asked its column ``prompt``.

    What the mix's template puts around it stays.
    """
    own = str(problem.columns.get("prompt") or "")

    def word(said: str) -> str:
        before, found, behind = said.partition(own) if own else ("", "", "")
        return f"{before}{text}{behind}" if found else text

    return reworded(problem, mark, word, {"prompt": text, **(columns or {})})
