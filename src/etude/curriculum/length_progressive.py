"""Length-progressive training: answers may be longer from phase to phase, within one stage.

Short phases are cheap and make a model brief, later ones give it room (DeepScaleR, 8k → 16k → 24k
tokens; Skywork-OR1, arXiv 2505.22312, 8k → 16k → 32k). A phase ends after ``steps`` steps, as in
the published runs. With ``truncated`` it ends before, from ``min_steps`` on, as soon as the share
of answers that the limit cut off reaches that bound:

    next phase after step s  ⇔  s = steps, or s ≥ min_steps and truncated answers ≥ truncated

Over stages, each with a fresh optimizer, it is the recipe ``length_progressive``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from etude.component import Rule, component, option
from etude.curriculum.interface import Curriculum, StepPlan
from etude.curriculum.phases import InPhases, PhaseRule, Phases, equal_shares, one_each
from etude.feedback import StepFeedback
from etude.rows import StopReason

#: Phases where no limits are given: a third, two thirds and all of ``rollout.max_new_tokens``.
_USUAL = 3

_AS_MANY = (
    "(limits == null and len({0}) in (1, 3)) or (limits != null and len({0}) in (1, len(limits)))"
)
_SAYS = "is {{{0}}}: give one number, or one for each of the limits (three where they are null)."


def _rule(key: str) -> Rule:
    """Return that a list holds one value, or one for each phase."""
    return Rule(_AS_MANY.format(key), _SAYS.format(key), key=key)


@component(source="arXiv 2505.22312")
@dataclass(frozen=True)
class LengthProgressive(Curriculum):
    """Lets answers be longer from phase to phase, by steps or once many are cut off."""

    words: ClassVar[str] = "answers may be longer from phase to phase[: {limits} tokens]"
    depends_on_steps: ClassVar[bool] = True
    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "max(limits) <= stage.rollout.max_new_tokens",
            "is {limits}, above rollout.max_new_tokens={stage.rollout.max_new_tokens}, the longest "
            "answer that memory and positions are reckoned with; type rollout.max_new_tokens=N.",
        ),
        _rule("steps"),
        _rule("min_steps"),
        _rule("truncated"),
        _rule("temperatures"),
        _rule("rollouts"),
    )

    limits: list[int] | None = option(
        None,
        "tokens an answer may have, phase by phase; null: a third, two thirds and all of "
        "rollout.max_new_tokens",
        ge=1,
        items=1,
    )
    steps: list[int] | None = option(
        None,
        "steps after which each phase ends (one number: all of them); null: equal shares of the "
        "stage's",
        ge=1,
        items=1,
    )
    truncated: list[float] | None = option(
        None,
        "share of truncated answers at which each phase ends before that (reconstructed: 0.3); "
        "null: steps alone decide",
        ge=0,
        items=1,
    )
    min_steps: list[int] = option(
        [100], "steps that each phase lasts, however many are truncated", ge=1, items=1
    )
    temperatures: list[float] | None = option(
        None, "temperature of each phase; null: rollout.temperature", gt=0, items=1
    )
    rollouts: list[int] | None = option(
        None,
        "answers a prompt in each phase (DeepScaleR: 8, 16, 16); null: "
        "training.rollouts_per_prompt",
        ge=2,
        items=1,
    )

    def limits_of(self, longest: int) -> tuple[int, ...]:
        """Return the limit of each phase in a stage whose longest answer has so many tokens."""
        if self.limits is not None:
            return tuple(self.limits)
        return tuple(max(1, longest * (n + 1) // _USUAL) for n in range(_USUAL))

    def phases(self, steps: int, longest: int) -> Phases:
        """Return the first phase of a stage of so many steps."""
        count = len(self.limits_of(longest))
        most = equal_shares(steps, count) if self.steps is None else one_each(self.steps, count)
        bound = None if self.truncated is None else one_each(self.truncated, count)
        return Phases(PhaseRule(most, one_each(self.min_steps, count), bound))

    def open(self, stage: Any) -> LengthProgressiveState:
        """Return what plans the steps of a stage."""
        longest = stage.parts.rollout.max_new_tokens
        return LengthProgressiveState(self, self.phases(stage.steps, longest), longest)


class LengthProgressiveState(InPhases):
    """The present phase of a stage."""

    def __init__(self, config: LengthProgressive, phases: Phases, longest: int) -> None:
        super().__init__(phases)
        self._limits = config.limits_of(longest)
        count = len(self._limits)
        self._temperatures = config.temperatures and one_each(config.temperatures, count)
        self._rollouts = config.rollouts and one_each(config.rollouts, count)

    @property
    def limit(self) -> int:
        """Return how many tokens an answer may have in the next step."""
        return self._limits[self.phases.phase]

    def plan(self, step: int) -> StepPlan:
        """Return the limit of the present phase, and what else it sets."""
        phase = self.phases.phase
        return StepPlan(
            max_new_tokens=self.limit,
            temperature=self._temperatures[phase] if self._temperatures else None,
            sizes=self._rollouts[phase] if self._rollouts else None,
        )

    def observe(self, feedback: StepFeedback) -> None:
        """Go on to the next phase where this one ends; ``metrics`` are of the step that was."""
        cut = [row.stop_reason is StopReason.LENGTH for row in feedback.rows]
        share = sum(cut) / len(cut) if cut else 0.0
        phase = self.phases.phase
        self._metrics = {"limit": float(self.limit), "phase": phase + 1.0}
        if self._temperatures:
            self._metrics["temperature"] = self._temperatures[phase]
        self.phases.heard(share)
