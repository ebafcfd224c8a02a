"""Rows that are too long for a model, found when data is opened: over all rows, before any step.

A text has at most as many tokens as bytes (eleven times as many where a tokenizer may rewrite it),
so most rows are known to fit without being tokenised.
"""

from __future__ import annotations

import dataclasses
import warnings
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from etude.data_mix.form import Form
from etude.data_mix.share import OpenShare
from etude.errors import DataError
from etude.rows import Example, Message

if TYPE_CHECKING:
    from etude.model.policy import Policy

#: Most bytes that Unicode's compatibility forms make of one.
_REWRITTEN = 11


def positions_of(policy: Policy) -> int | None:
    """Return how many positions a model has for a text, None where there is no limit."""
    found: int | None = getattr(policy.causal_lm.config, "max_position_embeddings", None)
    return found


class PromptLimit:
    """How long a prompt may be, and what becomes of a longer one: refuse, drop or cut.

    The limit is ``rollout.max_prompt_tokens``, or what the model's positions leave beside an answer
    of ``new_tokens``; models that read ``beside`` it the same text have theirs.
    """

    def __init__(
        self, policy: Policy, rollout: Any, new_tokens: int, *, beside: Sequence[Policy] = ()
    ) -> None:
        self._policy = policy
        self._rule: str = getattr(rollout, "too_long", "refuse")
        known = [positions_of(each) for each in (policy, *beside)]
        positions = min((each for each in known if each is not None), default=None)
        #: Tokens that the model's positions leave for a prompt, however long one may be asked.
        self.room: int | None = None if positions is None else positions - new_tokens
        asked = getattr(rollout, "max_prompt_tokens", None)
        limits = [limit for limit in (asked, self.room) if limit is not None]
        self.tokens: int | None = min(limits) if limits else None
        self._why = (
            f"rollout.max_prompt_tokens={asked}"
            if asked is not None and asked == self.tokens
            else f"the {positions} positions of the model less {new_tokens} new tokens"
        )

    def fits(self, part: OpenShare, form: Form) -> NDArray[np.bool_]:
        """Return which training rows are kept; raises DataError where a longer one is refused."""
        kept = np.ones(len(part), dtype=bool)
        if self.tokens is None:
            return kept
        if self.tokens < 1:
            raise DataError(f"there is no room for a prompt: {self._why}; lower the new tokens")
        bound = Bound(self._policy)
        size = self._size
        long = oversized(part, form, self.tokens, bound.of_prompt, size, prompt_only=True)
        if long:
            self._say(f"data_mix.train.{part.name}", long, len(part))
            if self._rule == "drop":
                kept[list(long)] = False
        return kept

    def of(self, examples: Sequence[Example], where: str) -> list[Example]:
        """Return the examples that may be asked, cut where that is the rule."""
        return [each for each in self.in_place(examples, where) if each is not None]

    def in_place(self, examples: Sequence[Example], where: str) -> list[Example | None]:
        """Return what :meth:`of` does, with None in the places of those that are left out."""
        if self.tokens is None:
            return list(examples)
        sizes = {place: self._size(example) for place, example in enumerate(examples)}
        long = {place: size for place, size in sizes.items() if size > self.tokens}
        if not long:
            return list(examples)
        self._say(where, {examples[place].id: size for place, size in long.items()}, len(examples))
        if self._rule == "drop":
            return [None if place in long else each for place, each in enumerate(examples)]
        return [self.cut(example) for example in examples]

    def cut(self, example: Example) -> Example:
        """Return an example whose prompt fits: without its oldest messages, or its beginning."""
        if self._rule != "cut" or self.tokens is None or self._size(example) <= self.tokens:
            return example
        messages = example.messages
        while len(messages) > 1:
            messages = messages[1:]
            shorter = dataclasses.replace(example, messages=messages)
            if self._size(shorter) <= self.tokens:
                return shorter
        text = messages[0].content if messages else example.prompt
        low, high = 0, len(text)
        while low < high:  # the shortest beginning to leave out
            middle = (low + high) // 2
            if self._size(_with_text(example, messages, text[middle:])) <= self.tokens:
                high = middle
            else:
                low = middle + 1
        return _with_text(example, messages, text[low:])

    def _size(self, example: Example) -> int:
        return len(self._policy.encode_example(example))

    def _say(self, where: str, long: dict[Any, int], total: int) -> None:
        row, tokens = max(long.items(), key=lambda item: item[1])
        name = f"row {row + 1}" if isinstance(row, int) else f"row {row}"
        said = (
            f"{where}: {len(long)} of {total} prompts ({share(len(long), total)}) have more than"
            f" {self.tokens} tokens ({self._why}; the longest, {name}, has {tokens})"
        )
        if self._rule == "refuse":
            raise DataError(
                f"{said}\n  rollout.too_long=drop  leaves them out\n"
                "  rollout.too_long=cut   leaves out their beginnings\n"
                "  rollout.max_new_tokens=NUMBER  may leave more room"
            )
        done = "they are left out" if self._rule == "drop" else "their beginnings are cut off"
        warnings.warn(f"{said}: {done}", stacklevel=4)


class Bound:
    """More tokens than an example can have, found without a tokenizer's work."""

    def __init__(self, policy: Policy) -> None:
        core = getattr(policy.tokenizer, "backend_tokenizer", None)
        rewrites = core is None or core.normalizer is not None
        self._factor = _REWRITTEN if rewrites else 1
        self.around = len(policy.encode_prompt("")) + 16

    def text(self, text: str) -> int:
        """Return more tokens than a text has."""
        return len(text) + 1 if text.isascii() else self._factor * len(text.encode()) + 1

    def of_prompt(self, example: Example) -> int:
        """Return more tokens than an example's prompt has."""
        texts = [message.content for message in example.messages] or [example.prompt]
        texts += [example.system] if example.system else []
        return sum(self.text(text) + self.around for text in texts)


def oversized(
    part: OpenShare,
    form: Form,
    limit: int,
    bound: Callable[[Example], int],
    size: Callable[[Example], int],
    *,
    prompt_only: bool = False,
) -> dict[int, int]:
    """Return position → tokens of the rows of a part that are longer than ``limit``.

    ``size`` is only asked of rows that ``bound`` does not clear. Every row is read, so that one
    that cannot be used is told here; of plain prompts (``prompt_only``) that column alone.
    """
    examples = (form.example(part, position) for position in range(len(part)))
    if prompt_only and len(part) and form.prompt_alone(part.row(0)):
        blank = form.example(part, 0)
        prompts = part.rows.column("prompt", part.positions)
        examples = (
            dataclasses.replace(blank, prompt=form.prompt.replace("{prompt}", str(text)))
            for text in prompts
        )
    found = {}
    for position, example in enumerate(examples):
        if bound(example) > limit and (tokens := size(example)) > limit:
            found[position] = tokens
    return found


def share(count: int, total: int) -> str:
    """Return a share in per cent, never 0 for some."""
    per_cent = 100 * count / total
    return f"{per_cent:.0f} %" if per_cent >= 1 else f"{per_cent:.2g} %"


def _with_text(example: Example, messages: Sequence[Message], text: str) -> Example:
    if messages:
        only = (Message(messages[0].role, text),)
        return dataclasses.replace(example, messages=only)
    return dataclasses.replace(example, prompt=text)
