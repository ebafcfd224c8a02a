"""A view whose answers are a function of what is asked: nothing is sampled."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from etude.evaluation.interface import Answers
from etude.rows import Example, Sampled, StopReason, Verdict


@dataclass
class AskedView:
    """Problems, and a verdict on each try of each; prompts longer than ``longest`` do not fit."""

    given: list[Example]
    verdict: Callable[[Example, int], Verdict]
    longest: int = 10_000
    asked: list[Example] = field(default_factory=list)

    def problems(self, most: int, max_new_tokens: int | None = None) -> list[Example]:
        return self.given[:most]

    def room(self, prompt: Example, max_new_tokens: int | None) -> int:
        return self.longest - len(prompt.prompt)

    def answers(self, problems: list[Example], tries: int = 1, **how: object) -> Answers:
        self.asked += problems
        count = len(problems) * tries
        return Answers(
            problems,
            [Sampled((1, 1), (0.0, 0.0), StopReason.STOP)] * count,
            ["said"] * count,
            [self.verdict(each, index) for each in problems for index in range(tries)],
            8,
        )
