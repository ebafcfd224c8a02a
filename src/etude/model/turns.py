"""What a chat template writes around an answer: what closes it, and what it begins with for us.

Found by rendering small conversations whose texts are unique marks, never by the template's name.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Any

#: Renders messages: (messages, add_generation_prompt) → text; raises what the template raises.
Render = Callable[[Sequence[dict[str, Any]], bool], str]

#: A thought that is opened, and perhaps closed again, at the very end of what the model reads.
_PREFILL = re.compile(
    r"(?:<(think|thinking|thought|reasoning)>\s*(?:</\1>\s*)?|\[THINK\]\s*(?:\[/THINK\]\s*)?)\Z"
)

#: The same in a plain prompt, where a closed one is only spoken of.
_OPENED = re.compile(r"(?:<(?:think|thinking|thought|reasoning)>|\[THINK\])\s*\Z")

#: What a template may raise of itself, beside Jinja's own errors.
FAILURES = (
    TypeError,
    LookupError,
    AttributeError,
    ValueError,
    ArithmeticError,
    RuntimeError,
)

_ASKED, _ANSWERED, _GONE_ON = (f"mark{name}7q" for name in ("asked", "answered", "again"))


@dataclass(frozen=True)
class Turns:
    """How a chat template writes a conversation.

    ``closing`` is the text right after an answer, before the next turn begins; ``structure`` is all
    that it writes around the messages of a conversation; ``prefill`` is the thought that it begins
    for the model; ``lead`` are the blanks before an answer that it leaves to the model. Each is
    empty where the template writes nothing of the kind or refuses to be asked. ``lacks_prompt``
    says that it opens the assistant's turn only around a given answer.
    """

    closing: str = ""
    structure: str = ""
    prefill: str = ""
    lead: str = ""
    lacks_prompt: bool = False

    @classmethod
    def of(cls, render: Render, tokens: Collection[str]) -> Turns:
        """Return what a template writes, asked by rendering; ``tokens`` are never cut in two."""
        asked = [{"role": "user", "content": _ASKED}]
        answered = [*asked, {"role": "assistant", "content": _ANSWERED}]
        gone_on = [*answered, {"role": "user", "content": _GONE_ON}]
        history = _tried(render, gone_on, False)
        parts = re.split(f"{_ASKED}|{_ANSWERED}|{_GONE_ON}", history)
        cut = _Cut(tokens)
        last = cut(_after(_tried(render, answered, False), _ANSWERED))
        then = cut(parts[2]) if len(parts) == 4 else []
        if last and then:
            closing = last[: _shared(last, then)]
        else:  # the next turn opens as the first one does
            opening = cut(parts[0])[::-1]
            closing = last or then[: len(then) - _shared(then[::-1], opening)]
        prompt = _after(_tried(render, asked, True), _ASKED)
        header = parts[1] if len(parts) == 4 else ""
        rest = header.removeprefix(prompt) if prompt and header.startswith(prompt) else ""
        opens = prompt != _after(_tried(render, asked, False), _ASKED)
        return cls(
            closing="".join(closing),
            structure="\n".join(parts) if len(parts) == 4 else "",
            prefill=prefilled(prompt, _PREFILL),
            lead=rest if rest.isspace() else "",
            lacks_prompt=not opens
            and prompt.strip() != header.strip()
            and header.strip().startswith(prompt.strip()),
        )


class _Cut:
    """Cuts text into its characters, and tokens whole."""

    def __init__(self, tokens: Collection[str]) -> None:
        longest_first = sorted(tokens, key=lambda token: (-len(token), token))
        self._piece = re.compile("|".join([*map(re.escape, longest_first), "."]), re.DOTALL)

    def __call__(self, text: str) -> list[str]:
        return self._piece.findall(text)


def prefilled(text: str, pattern: re.Pattern[str] = _OPENED) -> str:
    """Return the thought that is opened at the end of a prompt, empty where none is."""
    match = pattern.search(text)
    return match.group() if match else ""


def without_prefill(text: str, prefill: str) -> str:
    """Return an answer without the beginning that its prompt has already, where it repeats it."""
    tag = prefill.strip()
    begun = text.lstrip()
    if not tag or not begun.startswith(tag):
        return text
    if begun.startswith(prefill):
        return begun[len(prefill) :]
    rest = begun[len(tag) :]
    return rest.lstrip() if prefill != tag else rest


def _tried(render: Render, messages: Sequence[dict[str, Any]], prompt: bool) -> str:
    from jinja2 import TemplateError

    try:
        return render(messages, prompt)
    except (TemplateError, *FAILURES):
        # What a template refuses to write is unknown; a real prompt that it refuses is told then.
        return ""


def _after(text: str, mark: str) -> str:
    """Return what follows a mark that stands once in a text, empty where it does not."""
    return text.partition(mark)[2] if text.count(mark) == 1 else ""


def _shared(one: Sequence[str], other: Sequence[str]) -> int:
    """Return how many pieces two texts begin with in common."""
    pairs = enumerate(zip(one, other, strict=False))
    return next((k for k, (a, b) in pairs if a != b), min(len(one), len(other)))
