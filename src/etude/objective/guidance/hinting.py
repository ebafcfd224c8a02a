"""What methods with hints share: how a hint is cut from a solution and put into a prompt."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from etude.component import Rule
from etude.data_mix.template import fill
from etude.objective.parts import Sampler
from etude.rows import Example, Message, Outcome, Row

#: What a share of a solution may be counted in.
UNITS = ("chars", "tokens", "lines")

#: name → (sum, count), as :class:`~etude.objective.parts.Groups` has it.
Counts = dict[str, tuple[float, float]]


#: What the template of a hinted prompt must name.
TEMPLATE_RULE = Rule(
    "columns(template) == ['hint', 'prompt']",
    "is '{template}'; it names {prompt} and {hint}, and nothing else in braces.",
)


def hinted(example: Example, hint: str, template: str, path: str) -> Example:
    """Return the example with a hint in its prompt; in a conversation in its last user message.

    A conversation that ends otherwise gets a user message of its own.
    """

    def with_hint(text: str) -> str:
        return fill(template, {"prompt": text, "hint": hint}, path)

    messages = example.messages
    if messages and messages[-1].role == "user":
        messages = (*messages[:-1], Message("user", with_hint(messages[-1].content)))
    elif messages:
        messages = (*messages, Message("user", with_hint("").strip()))
    return dataclasses.replace(example, prompt=with_hint(example.prompt), messages=messages)


def beginning(text: str, share: float, unit: str, sampler: Sampler) -> str:
    """Return a share of a solution, counted in ``unit``, a half rounded to the even number."""
    if unit == "tokens":
        return sampler.beginning(text, share)
    if unit == "lines":
        lines = text.splitlines(keepends=True)
        return "".join(lines[: round(len(lines) * share)])
    return text[: round(len(text) * share)]


def values_of(group: Sequence[Row], part: str) -> list[float]:
    """Return a part of the verdict of every row that it applies to.

    A row that the verifier failed on has none.
    """
    known = [row.verdict.parts for row in group if row.verdict is not None]
    return [parts[part] for parts in known if part in parts]


def correct(rows: Sequence[Row]) -> int:
    """Return how many rows the verifier found right."""
    return sum(bool(row.verdict and row.verdict.outcome is Outcome.CORRECT) for row in rows)


def add(counts: Counts, name: str, total: float, count: float) -> None:
    """Add to what the log averages under a name."""
    before = counts.get(name, (0.0, 0.0))
    counts[name] = (before[0] + total, before[1] + count)
