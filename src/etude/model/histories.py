"""Whether a chat template writes what was answered earlier as it was given."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

#: Renders messages: (messages, add_generation_prompt) → text.
Render = Callable[[Sequence[dict[str, Any]], bool], str]

_ASKED, _FIRST, _AGAIN, _SECOND, _LAST = (
    f"mark{name}7q" for name in ("asked", "first", "again", "second", "last")
)


def rewritten(render: Render, reply_role: str, prefill: str) -> str:
    """Return what of earlier turns a template writes otherwise later on; empty where nothing is.

    Answers begin with a thought, as those of models that think do. ``prefill`` is what the
    template writes of an answer itself. Whatever the template raises comes out.
    """
    first, second = (f"<think>\nt\n</think>\n\n{each}" for each in (_FIRST, _SECOND))
    if prefill:
        first, second = first.removeprefix("<think>\n"), second.removeprefix("<think>\n")
    asked = [_said("user", _ASKED)]
    once = [*asked, _said("assistant", first), _said(reply_role, _AGAIN)]
    twice = [*once, _said("assistant", second), _said(reply_role, _LAST)]
    texts = [render(asked, True), render(once, True), render(twice, True)]
    for shorter, answer, longer in zip(texts, (first, second), texts[1:], strict=False):
        if not longer.startswith(shorter):
            return "what stood before an answer"
        if not longer.startswith(shorter + answer):
            return "an earlier answer (a thought in it is dropped, or its spaces are)"
    return ""


def _said(role: str, content: str) -> dict[str, Any]:
    return {"role": role, "content": content}
