"""A verifier that wraps another and asks a second model how likely it finds each answer."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from etude.component import Need, component, option, slot
from etude.rows import Candidate, Verdict
from etude.verifier.asked import AskedModel
from etude.verifier.host import Host
from etude.verifier.opened import Judging, OpenedVerifier
from etude.verifier.readable import Readable


@component(
    group="verifier",
    name="second_opinion",
    requires=[Need("model:{role}", why="which is asked how likely an answer is")],
    provides=["part:likely"],
)
@dataclass(frozen=True)
class SecondOpinion(OpenedVerifier):
    """What another verifier says, and beside it how likely a second model finds the answer."""

    rule: Readable = slot("number", "the verifier that decides", group="verifier")
    role: str = option("judge", "the one of `models` that is asked", form="filled")

    def open(self, host: Host) -> Opinions:
        """Open the verifier that is wrapped, and the model that is asked."""
        return Opinions(self, host)


class Opinions(Judging):
    """Judges with both; it counts what it was asked, in training alone."""

    def __init__(self, config: SecondOpinion, host: Host) -> None:
        self.rule = host.open(config.rule)
        self.model = AskedModel(host, config.role)
        self.heard = 0

    def judge(self, candidates: Sequence[Candidate]) -> list[Verdict]:
        """Return the verdicts of the rule with one part more."""
        verdicts = self.rule.verify(candidates)
        prompts = [each.prompt for each in candidates]
        asked = self.model.logprobs(prompts, [each.response for each in candidates])
        return [
            replace(verdict, parts={**verdict.parts, "likely": _likely(logprobs)})
            if verdict.parts
            else verdict
            for verdict, logprobs in zip(verdicts, asked, strict=True)
        ]

    def observe(self, feedback) -> None:
        """Count the rows that every rank was judged."""
        self.heard += len(feedback.rows)

    def metrics(self) -> dict[str, float]:
        """Return how many answers were judged so far."""
        return {"heard": self.heard}

    def state_dict(self) -> dict[str, int]:
        """Return the count."""
        return {"heard": self.heard}

    def load_state_dict(self, state) -> None:
        """Go on from a saved count."""
        self.heard = int(state["heard"])


def _likely(logprobs: Sequence[float] | None) -> float:
    return math.exp(sum(logprobs) / len(logprobs)) if logprobs else 0.0
