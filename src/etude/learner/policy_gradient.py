"""Policy gradient: sample answers, have them judged, and move towards the better ones.

A step is a turn of the policy (`learner/turn.py`), and one of every role that is trained beside it.
"""

from __future__ import annotations

from dataclasses import replace

from etude.curriculum.interface import CurriculumState
from etude.feedback import Told
from etude.learner.clock import Clock
from etude.learner.interface import StepResult
from etude.learner.open_stage import OpenStage, StageLearner
from etude.learner.role_stage import open_roles, trained
from etude.learner.traits import learner
from etude.learner.turn import AnswerTurns, Turn


@learner(
    row="answer",
    samples=True,
    groups=True,
    trains_roles=True,
    next=("objective=dapo", "objective=grpo"),
    sweep="objective=grpo,rloo",
)
class PolicyGradientLearner(AnswerTurns, StageLearner):
    """Trains a policy on the rewards of its own answers."""

    def __init__(self, stage: OpenStage) -> None:
        roles = open_roles(stage)  # first: what the policy's rows come from may ask for them
        super().__init__(stage)
        self.roles = [trained(stage, role) for role in roles]

    @property
    def curriculum(self) -> CurriculumState:
        """Return what plans the steps."""
        planning: CurriculumState = self.stage.live["curriculum"]
        return planning

    def step(self, step: int) -> StepResult:
        """Let the policy, and every role that is trained beside it, take the turns that are due."""
        clock = Clock()
        plan = self.curriculum.plan(step)
        due = all(role.stage.schedule.policy(step) for role in self.roles)
        wanted = any(each.stage.given and each.stage.schedule.due(step) for each in self.roles)
        own = Turn({"update/skipped": 1.0})
        if due or wanted:  # an episode may have a role write rows in the policy's rollouts
            own = self.turn(step, plan, clock, learns=due)
        metrics, samples, tokens = dict(own.metrics), list(own.samples), own.tokens
        others: dict[str, Told] = {}
        for role in self.roles:
            limit = self.rollouts.max_new_tokens
            name, taken = role.stage.role, role.turn_of(step, clock, own.written, limit)
            metrics |= {f"{name}/{key}": value for key, value in taken.metrics.items()}
            samples += [{**sample, "role": name} for sample in taken.samples]
            tokens += taken.tokens
            others[name] = taken.told
        told = replace(own.told, plan=plan, roles=others)
        return StepResult(metrics, samples, clock.timing(tokens), told)
