"""The hard reset of a reference (ProRL, arXiv 2505.24864): it becomes the present policy.

A long run drifts from the model that its KL term holds it to, until the term pulls as hard as the
rewards. The role then takes the weights of the model that is trained. It is reset

    every N steps                                        (ProRL v2: 200 to 500)
    when an evaluation was not better for ``patience`` times in a row
    when the logged divergence from it is above ``divergence``

whichever comes first. ProRL has the optimizer begin anew with it (``optimizer``), ProRL v2 has not.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, ClassVar

from etude.component import Need, Rule, component, option
from etude.errors import StageError
from etude.feedback import StepFeedback
from etude.live import Live
from etude.training.moves.kind import Move


@component(
    source="arXiv 2505.24864",
    requires=[
        Need(
            "evaluation:{evaluation}@{look}",
            when="patience != null",
            why="to see whether the model still gets better",
        ),
        Need("model:{role}", why="which it resets"),
        Need("divergence:{role}", when="divergence != null", why="to see how far it is"),
    ],
    provides=["changes:{role}"],
)
@dataclass(frozen=True)
class Reset(Move):
    """Resets a role to the trained model every so many steps, or where that gets no better."""

    example: ClassVar[str] = (
        "recipe=rl objective/regularizer='[kl]' training/moves='[reset]'"
        " training.moves.reset.every=200"
    )
    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "every != null or patience != null or divergence != null",
            "is null, and so are {path}.patience and {path}.divergence: it would never be reset. "
            "Type {path}.every=200",
            key="every",
        ),
    )

    role: str = option("reference", "the role of models that is reset", form="filled")
    every: int | None = option(
        None, "steps after which it is reset, if nothing did before; null: only by the others", ge=1
    )
    patience: int | None = option(
        None, "evaluations in a row that are not better before it is reset; null: none", ge=1
    )
    evaluation: str = option("main", "the evaluation that patience looks at", form="filled")
    look: int = option(20, "steps between two of these evaluations", ge=1)
    metric: str | None = option(
        None, "which of its numbers, more being better; null: its first", form="metric"
    )
    divergence: float | None = option(
        None, "logged divergence from it above which it is reset; null: none", gt=0
    )
    optimizer: bool = option(False, "whether the optimizer of the trained model begins anew too")

    def open(self, stage: Any) -> Live:
        """Return what resets the role."""
        return Resetting(self, stage)


class Resetting(Live):
    """Resets a role, and remembers when it did and what the best evaluation was."""

    def __init__(self, config: Reset, stage: Any) -> None:
        self._config = config
        self._stage = stage
        self._role = config.role
        self.resets = 0
        self.since = 0
        self.best = -math.inf
        self.stale = 0

    def observe(self, feedback: StepFeedback) -> None:
        """Reset the role after a step, where it is time."""
        self.since += 1
        self._look(feedback)
        config = self._config
        due = config.every is not None and self.since >= config.every
        stagnant = config.patience is not None and self.stale >= config.patience
        far = feedback.metrics.get(f"objective/kl_{self._role}", 0.0)
        if not (due or stagnant or (config.divergence is not None and far > config.divergence)):
            return
        self._stage.copy(self._role)
        if config.optimizer:
            self._stage.reset(self._stage.role)
        self.resets += 1
        self.since = self.stale = 0

    def _look(self, feedback: StepFeedback) -> None:
        """Count how often an evaluation was not better than the best."""
        name, metric = self._config.evaluation, self._config.metric
        found = feedback.evaluations.get(name) if self._config.patience is not None else None
        if found is None:
            return
        value = found.get(metric) if metric is not None else next(iter(found.values()), None)
        if value is None:
            known = ", ".join(found)
            raise StageError(
                f"training.moves: {metric} is looked at, and the evaluation {name} has {known}"
            )
        self.stale = 0 if value > self.best else self.stale + 1
        self.best = max(self.best, value)

    def metrics(self) -> dict[str, float]:
        """Return how often the role was reset, and the steps since."""
        return {"resets": float(self.resets), "since": float(self.since)}

    def state_dict(self) -> dict[str, Any]:
        """Return what it remembers; the role's weights are kept by the stage."""
        best = None if self.best == -math.inf else self.best
        return {"resets": self.resets, "since": self.since, "best": best, "stale": self.stale}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore what :meth:`state_dict` returned."""
        self.resets, self.since = int(state["resets"]), int(state["since"])
        self.best = -math.inf if state["best"] is None else float(state["best"])
        self.stale = int(state["stale"])
