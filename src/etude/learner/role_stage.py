"""A role that a stage trains on rows of its own: it is open as a stage within the stage."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from etude.config.needs import trained_roles, written_roles
from etude.config.role_stages import config_of, following
from etude.curriculum.interface import StepPlan
from etude.feedback import StepFeedback, Told
from etude.learner.changing import refuse_other_weights
from etude.learner.clock import Clock
from etude.learner.open_stage import OpenStage
from etude.learner.turn import AnswerTurns, Turn
from etude.live import Live, Tree, all_of
from etude.model.critic import leave_head
from etude.model.policy import Policy
from etude.models.schedule.kind import Schedule
from etude.models.schedule.together import Together
from etude.randomness import seed_of
from etude.rows import Row
from etude.schema import load

if TYPE_CHECKING:
    from etude.rollout.engine import Engine


class RoleStage(OpenStage):
    """What is open of a trained role: its model, optimizer, engine, verifier, rows, live parts.

    What ``models.NAME.train`` leaves open is the stage's; the other models are those of the stage,
    one copy for both. It draws prompts in the stage's order and answers with draws of its own.
    """

    def __init__(self, stage: OpenStage, role: str) -> None:
        train = stage.parts.models.roles[role].train
        groups = following(stage.parts.config["models"], load())
        own = {group: getattr(train, group) for group in groups if getattr(train, group)}
        parts = replace(
            stage.parts,
            **own,
            config=config_of(stage.parts.config, role),
            models=None,
            curriculum=None,
        )
        self._begin(parts, stage.context, seed_of("role", role, stage.seed) >> 1)
        self._stage = stage
        self.role = role
        self.roles = stage.roles
        #: Whether the stage's episode has it write the rows that it learns from.
        self.given = role in written_roles(stage.parts.config, load())
        self.schedule: Schedule = train.schedule or Together()
        folder = self.roles.folder(role)
        if folder is not None:
            leave_head(folder)
        self.policy = self.roles.open(role)
        self.roles.refuse_other_tokens(role, self.policy)
        if self.roles.changes(role):
            refuse_other_weights(f"models.{role}", self.policy, stage.policy)

    def open_live(self) -> None:
        """Open the live side of the role's components, once all that it learns by is open."""
        self._openings.open_all(self._read)
        _ = self.verifier  # what it asks is opened by all ranks, and some may judge no row

    @property
    def on_policy(self) -> bool:
        """Return True: a role answers by itself."""
        return True

    @property
    def order_seed(self) -> int:
        """Return what the order of prompts depends on: that of the stage."""
        return self._stage.order_seed

    def handed(self, component: Any, field: str) -> Tree | None:
        """Return None: what a stage takes up is about its policy."""
        return None

    def model(self, name: str) -> Policy:
        """Return a model of the stage, under the names that the stage has for them."""
        return self.policy if name == self.role else self._stage.model(name)

    def sync(self, name: str = "") -> None:
        """Give the engines of a model its present weights, by default of the role's own."""
        if name in ("", self.role):
            super().sync()
        else:
            self._stage.sync(name)

    def engine(self, name: str, sampling: Any = None) -> Engine:
        """Return what samples from a model of the stage, opened when it is first asked for."""
        own = name == self.role
        return super().engine(name, sampling) if own else self._stage.engine(name, sampling)


class TrainedRole(AnswerTurns, Live):
    """Trains a role on the rewards of its own answers, in the steps that its schedule says."""

    stage: RoleStage

    def __init__(self, stage: RoleStage) -> None:
        super().__init__(stage)
        stage.open_live()
        self._told = Told()
        self._metrics: Mapping[str, float] = {}

    def turn_of(
        self, step: int, clock: Clock, written: Mapping[str, list[list[Row]]], limit: int
    ) -> Turn:
        """Take the role's turn of a step in which it is due.

        ``written`` are the groups that the stage's episode had roles write, in responses of at most
        ``limit`` tokens. In a step in which the role is not due these are rewarded, and none is
        learned from.
        """
        done, due = Turn({}), self.stage.schedule.due(step)
        if self.stage.given:
            own = written.get(self.stage.role, [])
            if due or own:
                plan = StepPlan(max_new_tokens=limit)
                done = self.turn(step, plan, clock, own, learns=due)
        elif due:
            done = self.turn(step, StepPlan(), clock)
        self._told, self._metrics = done.told, done.metrics
        return done

    def begin(self, evaluations: Mapping[str, Mapping[str, float]]) -> None:
        """Tell what is alive of the role what was measured before the first step."""
        for begin in all_of(self.stage.live, "begin"):
            begin(evaluations)

    def observe(self, feedback: StepFeedback) -> None:
        """Tell what is alive of the role of its own rows, and the numbers of its own turn."""
        told = self._told
        own = StepFeedback.of(
            told,
            step=feedback.step,
            steps=feedback.steps,
            metrics=self._metrics,
            evaluations=feedback.evaluations,
        )
        for observe in all_of(self.stage.live, "observe"):
            observe(own)

    def reset(self) -> None:
        """Begin with an optimizer that has moved nothing yet."""
        self.stage.trainee.reset()

    def state_dict(self) -> Tree:
        """Return the state of all that is alive of the role, by the config path it has."""
        return self.stage.state_dict()

    def load_state_dict(self, state: Tree) -> None:
        """Restore what :meth:`state_dict` returned, to the bit."""
        self.stage.load_state_dict(state)

    def export(self, folder: Path) -> None:
        """Write the role's model into ``folder``."""
        self.stage.policy.save(folder)

    def close(self) -> None:
        """End the role's engine, its verifier's workers and all else that is alive of it."""
        self.stage.close()


def open_roles(stage: OpenStage) -> list[RoleStage]:
    """Open the models of the roles that a stage trains on rows of their own."""
    found = [RoleStage(stage, role) for role in trained_roles(stage.parts.config, load())]
    stage.trained |= {each.role: each for each in found}
    return found


def trained(stage: OpenStage, role: RoleStage) -> TrainedRole:
    """Open what a role learns by, and keep it with the stage, which hands it on."""
    learner = stage.keep(f"models.{role.role}", TrainedRole(role))
    stage.roles.hand_on(role.role, learner)
    return learner
