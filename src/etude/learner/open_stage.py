"""A stage that is open: everything it trains with, opened, saved, restored and closed in one place.

A learner is what a stage does step by step; it asks the open stage for the policy, other models,
rows, engines and the verifier, and never saves or closes any of them itself.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from torch import nn

from etude.config.evaluations import GROUP
from etude.config.needs import trained_groups
from etude.environment.opened import Environments, OpenEnvironments
from etude.evaluation.interface import numbers
from etude.feedback import StepFeedback, Told, UpdateFeedback
from etude.learner import live_states
from etude.learner.context import StageContext
from etude.learner.handed_states import HandedStates
from etude.learner.interface import StepResult
from etude.learner.live_parts import Openings
from etude.learner.parts import StageParts
from etude.learner.roles import Roles
from etude.learner.sizing import BUDGET
from etude.learner.stage_evaluations import StageEvaluations
from etude.learner.stage_models import StageModels
from etude.learner.trainee import Trainee
from etude.live import HandsOn, Live, Tree, all_of, numbers_of
from etude.model.policy import Policy
from etude.rows import POLICY
from etude.schema import load

if TYPE_CHECKING:
    from etude.data_mix.history import History
    from etude.data_mix.mix import Fits
    from etude.data_mix.stream import Stream
    from etude.sources.interface import StageRows
    from etude.verifier.interface import Judge

Kept = TypeVar("Kept")


def _present(live: Mapping[str, Any], told: Told) -> dict[str, float]:
    """Return the numbers of what is alive; a budget has none of a step that sampled nothing."""
    return numbers_of({path: each for path, each in live.items() if path != BUDGET or told.rows})


class StageLearner(Live, ABC):
    """What a stage does step by step, over an :class:`OpenStage`.

    A subclass opens what it needs of the stage when it is made, and defines :meth:`step`. One with
    state of its own has ``state_dict`` and ``load_state_dict``.
    """

    def __init__(self, stage: OpenStage) -> None:
        self.stage = stage

    @abstractmethod
    def step(self, step: int) -> StepResult:
        """Do step number ``step`` and return its metrics; everything random is keyed by it."""

    def export(self, folder: Path) -> None:
        """Write what the stage hands on: the model, and trained roles beside it."""
        chosen = self.stage.hands_on
        model = self.stage.policy if chosen is None else self.stage.model(chosen.model)
        model.save(folder / "model")
        self.stage.roles.export(folder)


class OpenStage(StageModels, StageEvaluations):
    """Everything of one stage that is open, by the config path it has.

    ``policy`` is the model that is trained and ``roles`` are the other ones; ``live`` is all that
    has state. ``counted`` are tokens sampled, and tokens trained on (each time they are), since the
    stage began. ``steps`` are those of the whole stage. It is what execution drives
    (:class:`etude.learner.interface.Learner`).
    """

    #: The name of the model that is trained, which its rows have.
    role: str = POLICY

    #: Whether an episode of the stage around it has it write its rows.
    given: bool = False

    #: The model's optimizer, the rows and which of them it can use, of a learner that has them.
    trainee: Trainee
    stream: Stream
    fits: Fits | None = None

    def __init__(
        self,
        parts: StageParts,
        context: StageContext,
        learner: Callable[[OpenStage], StageLearner],
    ) -> None:
        self._begin(parts, context, context.seed)
        self.policy: Policy = parts.policy(context.start, context.seed)
        self.roles = Roles(parts, context, self.policy)
        self._keep_changing()
        self.learner = learner(self)
        self.keep("learner", self.learner)
        if "data_mix" in self._read and "data_mix" not in self.live:
            self.open_stream(None)
        self._openings.open_all(self._read)
        # What verifiers ask is opened by all ranks, and some may judge no row.
        if "verifier" in self._read:
            _ = self.verifier
        self._open_judges()
        self._states.check()

    def _begin(self, parts: StageParts, context: StageContext, seed: int) -> None:
        """Have nothing open yet."""
        self.parts = parts
        self.context = context
        self.seed = seed
        self.execution = parts.execution
        self.steps: int = parts.training.steps
        self.counted = {"sampled": 0, "trained": 0}
        self.live: dict[str, Any] = {}
        self._environments: dict[int, tuple[Environments, OpenEnvironments]] = {}
        self._begin_models()
        self._begin_evaluations()
        judges = {f"evaluations.{name}.verifier": one for name, one in self._judges.items()}
        self._openings = Openings({**parts.roots, **judges}, self, self.live)
        self._states = HandedStates(parts.config, context, self.live)
        self.trained: dict[str, OpenStage] = {}
        self._read = trained_groups(parts.config, load())

    # Opening -------------------------------------------------------------------------------

    def keep(self, path: str, live: Kept) -> Kept:
        """Keep something alive under a config path, and return it.

        Its state is saved and restored with the stage's, and it is closed with the stage.
        """
        self.live[path] = live
        return live

    def open(self, component: Any) -> Any:
        """Return the live side of a component of the stage, opened the first time it is asked for.

        It is kept under its config path. All ranks ask together.
        """
        return self._openings.open(component)

    def handed(self, component: Any, field: str) -> Tree | None:
        """Return the state that a field of a component takes up, None where it takes up none."""
        return self._states.taken_up(f"{self._openings.path_of(component)}.{field}")

    def open_stream(self, fits: Fits | None) -> Stream:
        """Open the rows that the stage trains on and is measured on.

        ``fits`` says which it can train on, all where it is None.
        """
        self.fits = fits
        self.stream = self.open(self.parts.data_mix)
        self.keep("data_mix.history", self.stream.history)
        return self.stream

    @property
    def sources(self) -> Mapping[str, Any]:
        """Return the sources that rows come from, by name."""
        return self.parts.sources

    @property
    def stage_rows(self) -> Mapping[str, StageRows]:
        """Return the folders with the rows of stages, by the source that reads them."""
        return self.context.data

    @property
    def rollout(self) -> Any:
        """Return the component by which the policy samples."""
        return self.parts.rollout

    @property
    def workers(self) -> int:
        """Return how many worker processes a verifier may have."""
        return self.execution.verifier_workers

    def environments_of(self, environments: Environments) -> OpenEnvironments | None:
        """Return environments of the stage or of its evaluations opened, None where none is."""
        if not environments.by_name:
            return None
        if id(environments) not in self._environments:
            opened = OpenEnvironments(environments, self.workers)
            self._environments[id(environments)] = (environments, opened)
        return self._environments[id(environments)][1]

    @property
    def environment_seconds(self) -> float:
        """Return how long environments were waited for since the stage was opened."""
        return sum(opened.seconds for _, opened in self._environments.values())

    def open_trainee(self, head: nn.Module | None = None) -> Trainee:
        """Open the optimizer of the policy, and of a ``head`` on its states that moves with it."""
        self.trainee = Trainee(
            self.policy,
            self.parts.optimizer,
            self.steps,
            self.parts.training.gradient_clip,
            self.seed,
            head=head,
        )
        return self.keep("model", self.trainee)

    @property
    def order_seed(self) -> int:
        """Return what the order of prompts depends on."""
        return self.seed

    @property
    def history(self) -> History:
        """Return what is known of the rows that were sampled from."""
        return self.stream.history

    @cached_property
    def verifier(self) -> Judge:
        """Return the open verifier; its workers start with the first rows."""
        judge: Judge = self.open(self.parts.verifier)
        return judge

    # What execution drives -----------------------------------------------------------------

    def step(self, step: int) -> StepResult:
        """Do step number ``step``, tell all that is alive of it, and return its metrics."""
        if step == 0 and (found := self._asked_for(0)):
            for begin in all_of(self.live, "begin"):
                begin({name: numbers(measured) for name, (measured, _) in found.items()})
        result = self.learner.step(step)
        found = self._asked_for(step + 1)
        feedback = StepFeedback.of(
            result.told,
            step=step,
            steps=self.steps,
            metrics=result.metrics,
            evaluations={name: numbers(measured) for name, (measured, _) in found.items()},
        )
        for observe in all_of(self.live, "observe"):
            observe(feedback)
        metrics = result.metrics | _present(self.live, result.told)
        for role, trained in self.trained.items():
            own = _present(trained.live, result.told.roles.get(role, Told()))
            metrics |= {f"{role}/{key}": n for key, n in own.items()}
        return replace(result, metrics=metrics, evaluations=found)

    def after_update(
        self, step: int, number: int, metrics: Mapping[str, float], batch: Any = None
    ) -> None:
        """Tell all that is alive of update ``number`` of a step; learners call it."""
        update = UpdateFeedback(step, self.steps, number, metrics, batch)
        for hear in all_of(self.live, "after_update"):
            hear(update)

    @property
    def ended(self) -> str:
        """Return why the stage is over before its last step, empty while it goes on."""
        return next((why for ended in all_of(self.live, "ended") if (why := ended())), "")

    @property
    def hands_on(self) -> HandsOn | None:
        """Return what is handed on in the place of the model as it stands, None for that."""
        found = (hands_on() for hands_on in all_of(self.live, "hands_on"))
        return next((each for each in found if each is not None), None)

    def state_dict(self) -> Tree:
        """Return all that a resumed stage needs, by config path."""
        return {"live": live_states.saved(self.live), "counted": dict(self.counted)}

    def load_state_dict(self, state: Tree) -> None:
        """Restore what :meth:`state_dict` returned, to the bit.

        Raises CheckpointError where what is alive here has no state there, or the other way round.
        Only what judges for evaluations alone may come and go: an attempt may measure otherwise.
        """
        live_states.restore(self.live, state["live"], self._only_measures)
        self.counted = {name: int(count) for name, count in state["counted"].items()}
        self._sync_all()

    def _only_measures(self, path: str) -> bool:
        """Tell whether what is alive under a config path judges for evaluations alone."""
        head = path.partition(".")[0]
        return head == GROUP or (head == "verifier" and "verifier" not in self._read)

    def export(self, folder: Path) -> None:
        """Write what the stage hands on into ``folder``."""
        self.learner.export(folder)
        self._states.export(folder)

    def close(self) -> None:
        """End the engines, the verifier's workers and all else that is alive."""
        engines = [engine.close for engine in self._engines.values()]
        engines += [opened.close for _, opened in self._environments.values()]
        self._engines, self._environments = {}, {}
        with ExitStack() as stack:
            for close in reversed([*all_of(self.live, "close"), *engines]):
                stack.callback(close)
