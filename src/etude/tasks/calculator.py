"""Arithmetic with a calculator at hand: a problem, calls of one tool, an answer."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from etude.tasks.formula import NoValue, exact_value, tokens
from etude.tasks.game import READ, Game, Messages, told
from etude.tool_calls import Call

#: Characters of an expression, and digits of one of its numbers, that the calculator takes.
LONGEST, DIGITS = 60, 9

TOOL, ARGUMENT = "calculate", "expression"
NO_ANSWER = "no answer"

_NUMBER = re.compile(r"-?\d{1,12}", re.ASCII)
_TOO_LONG = re.compile(rf"\d{{{DIGITS + 1}}}", re.ASCII)


class Calculator(Game):
    """Work out an arithmetic problem, with a tool that calculates.

    The answer is the last number of the first turn that calls no tool. With ``offered=False`` the
    tool answers nothing: that is what a player without it is measured by.
    """

    kept_out = frozenset({"offered", "answer_format"})

    def __init__(self, offered: bool = True, answer_format: str = "A:{answer}") -> None:
        super().__init__()
        self.offered = offered
        self.answer_format = answer_format
        self.problem = ""
        self.answer = ""
        self.calls = 0
        self.failed = 0
        self.last: list[str] = []

    def reset(self, seed: int, prompt: str, answer: str | None = None) -> Messages:
        """Begin with a problem (``12*34=``), and the answer where it cannot be calculated.

        Raises ValueError where the answer is no whole number.
        """
        self._begin(seed, 1)
        self.problem = prompt.strip().rstrip("=? ")
        value = calculated(self.problem) if answer is None else str(answer).strip()
        if value is None or not _NUMBER.fullmatch(value):
            raise ValueError(f"the problem {prompt[:READ]!r} has no whole number as its answer")
        self.answer = value
        self.calls = self.failed = 0
        self.last = []
        return told(prompt)

    def calculate(self, expression: str) -> str:
        """Return the value of an arithmetic expression.

        Args:
            expression: whole numbers, + - * / and brackets, for example 12*(3+4)
        """
        self.calls += 1
        value = calculated(expression) if self.offered else None
        if value is None:
            self.failed += 1
            return "error"
        self.last = [expression, value]
        return value

    def step(self, text: str) -> tuple[Messages, bool]:
        """Hear the answer, which ends the episode."""
        self.turns += 1
        found = _NUMBER.findall(text[-READ:])
        self.solved = bool(found) and int(found[-1]) == int(self.answer)
        if not found:
            self._refuse(NO_ANSWER)
        self.done = True
        return [], True

    def parts(self) -> dict[str, float]:
        """Return the named rewards; ``calls`` is the share of calls that gave a value."""
        worked = (self.calls - self.failed) / self.calls if self.calls else 0.0
        return {**super().parts(), "calls": worked}

    def worked(self) -> str | Call:
        """Return the turn of a player who calculates first, then says what came out."""
        if self.offered and not self.last:
            return Call(TOOL, {ARGUMENT: self.problem})
        value = self.last[1] if self.last else self.answer
        return self.answer_format.replace("{answer}", value)

    def goal_of(self, messages: Messages) -> Mapping[str, Any] | None:
        """Return the problem that was solved in the place of the one asked, None where none was."""
        if self.solved or not self.last or "/" in self.last[1]:
            return None
        return {"prompt": f"{self.last[0]}=", "answer": self.last[1]}


def calculated(expression: str) -> str | None:
    """Return the exact value of an expression (``408``, ``7/2``), None where it has none."""
    if len(expression) > LONGEST or _TOO_LONG.search(expression):
        return None
    found = tokens(expression)
    if found is None:
        return None
    try:
        return str(exact_value(found))
    except NoValue:
        return None
