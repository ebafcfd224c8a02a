"""The parts of an episode's environment as those of its row."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from etude.component import Need, component, option
from etude.environment.interface import PARTS
from etude.rows import Candidate, Outcome, Verdict
from etude.verifier.host import Host
from etude.verifier.opened import Judging, OpenedVerifier


@component(
    requires=[Need("environment:any", why="whose parts are the verdict")],
    provides=[PARTS],
)
@dataclass(frozen=True)
class FromEnvironment(OpenedVerifier):
    """Takes the parts that the environment of an episode gave, and judges nothing itself.

    An episode is right where the part ``right_by`` reaches ``solved``; by default that is
    ``accuracy`` where the environment has it, else the sum of its parts.
    """

    example: ClassVar[str] = "recipe=rl environment=guess_number"

    right_by: str | None = option(
        None,
        "part that says whether an episode is right; null: accuracy, else the sum",
        form="part",
    )
    solved: float = option(1.0, "what that part is at least where it is")

    def open(self, host: Host) -> Judge:
        """Return its live side."""
        return Judge(self)


class Judge(Judging):
    """Reads how episodes ended."""

    def __init__(self, config: FromEnvironment) -> None:
        self.config = config

    def judge(self, candidates: Sequence[Candidate]) -> list[Verdict]:
        """Return a verdict for each: the parts of its episode, none where there was none."""
        return [self._one(candidate) for candidate in candidates]

    def _one(self, candidate: Candidate) -> Verdict:
        ended = candidate.ended
        if ended is None:
            told = (
                f"row {candidate.id} was played with no environment (rollout/episode=environment)"
            )
            return Verdict(Outcome.REFUSED, {}, detail=told)
        parts = dict(ended.parts)
        by = self.config.right_by
        if by is not None and by not in parts:
            told = f"the environment gave no part '{by}'; it gave {', '.join(parts) or 'none'}"
            return Verdict(Outcome.REFUSED, {}, detail=told)
        value = parts.get(by or "accuracy", math.fsum(parts.values()))
        right = value >= self.config.solved
        outcome = Outcome.CORRECT if right else Outcome.WRONG
        return Verdict(outcome, parts, extracted=candidate.response.strip() or None)
