"""The thresholds of constrained rewards, searched for while a model trains (arXiv 2310.04373).

A simplex of N + 1 threshold vectors is drawn between ``thresholds`` and ``highest``. The model is
trained towards one vector for at most ``patience`` steps, or until every part is near it; what the
evaluation then says is the vector's worth, and Nelder and Mead's rule gives the next. The model is
not set back in between. A search that has ended leaves the best vector in force.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from etude.component import ADVANTAGES_BY_VALUE, OF_BATCH, Need, component, option
from etude.errors import StageError
from etude.feedback import StepFeedback
from etude.live import Tree
from etude.primitives.nelder_mead import NelderMead
from etude.randomness import generator
from etude.reward_weighting.lagrangian import KL_NEEDED, Lagrangian


@component(
    source="arXiv 2310.04373",
    requires=[
        Need("learner:policy_gradient", why="for advantages of each part"),
        KL_NEEDED,
        Need("evaluation:{evaluation}@{every}", why="to know what thresholds are worth"),
    ],
    provides=[OF_BATCH, ADVANTAGES_BY_VALUE],
)
@dataclass(frozen=True)
class ThresholdSearch(Lagrangian):
    """Constrained rewards whose thresholds are searched for by what an evaluation says."""

    example: ClassVar[str] = (
        "objective=grpo objective/shaping='[kl_penalty]' reward_weighting=threshold_search"
    )

    highest: dict[str, float] = option(
        {"accuracy": 1.0, "format": 1.0},
        "the most that each threshold begins with; thresholds are the least",
        form="part",
    )
    evaluation: str = option("main", "the evaluation that says what is best", form="filled")
    metric: str = option("pass@1", "its metric that shall be large", form="metric")
    every: int = option(5, "steps between two looks", ge=1)
    patience: int = option(20, "steps that a vector of thresholds gets at most", ge=1)
    within: float = option(0.05, "how near, as a share, a part is at its threshold", ge=0)
    reflect: float = option(1.0, "α of the search", gt=0)
    expand: float = option(2.0, "γ", gt=1)
    contract: float = option(0.5, "ρ", gt=0, lt=1)
    shrink: float = option(0.5, "σ", gt=0, lt=1)
    tolerance: float = option(0.01, "spread of worth in a shrunk simplex that ends it", ge=0)
    near: float = option(5e-3, "vectors this close in every threshold are worth the same", ge=0)
    iterations: int = option(10, "iterations of the search at most", ge=1)

    def start(self, seed: int) -> Tree:
        """Return the first simplex, and its first vector as thresholds."""
        draw = generator("simplex", seed)
        ends = [(low, self.highest.get(name, low)) for name, low in self.thresholds.items()]
        simplex = [
            [float(draw.uniform(min(pair), max(pair))) for pair in ends]
            for _ in range(len(ends) + 1)
        ]
        begun = {**super().start(seed), "simplex": simplex, "known": [], "began": 0, "met": 0}
        return self._aimed(begun, simplex[0])

    @property
    def rule(self) -> NelderMead:
        """Return the rule by which vectors follow."""
        return NelderMead(
            self.reflect,
            self.expand,
            self.contract,
            self.shrink,
            self.tolerance,
            self.near,
            self.iterations,
        )

    def observe(self, state: Tree, feedback: StepFeedback) -> Tree:
        """Return the state with the next thresholds, where the present ones had their time."""
        done = feedback.step + 1
        if done % self.every or state["simplex"] is None:
            return state
        met = self._met(state)
        if done - state["began"] < self.patience and not met:
            return state
        worth = feedback.evaluations[self.evaluation].get(self.metric)
        if worth is None:
            raise StageError(f"the evaluation {self.evaluation} gave no {self.metric} to search by")
        return self.judged({**state, "began": done, "met": state["met"] + met}, worth)

    def judged(self, state: Tree, worth: float) -> Tree:
        """Return the state after what the present thresholds are worth is known."""
        known = [*state["known"], [list(state["thresholds"].values()), -worth]]
        found = self.rule.played(state["simplex"], known)
        state = {**state, "known": known}
        if found.wanted is None:
            return {**self._aimed(state, found.simplex[0]), "simplex": None}
        return self._aimed(state, found.wanted)

    def _aimed(self, state: Tree, point: list[float]) -> dict[str, Tree]:
        return {**state, "thresholds": dict(zip(self.thresholds, point, strict=True))}

    def _met(self, state: Tree) -> bool:
        means: Mapping[str, float] = state["values"]
        return all(
            name in means and abs(means[name] - threshold) <= self.within * abs(threshold)
            for name, threshold in state["thresholds"].items()
        )

    def metrics(self, state: Tree) -> dict[str, float]:
        """Return the thresholds in force, how many vectors were judged, and how many were met."""
        aimed = {f"threshold/{name}": value for name, value in state["thresholds"].items()}
        counts = {"judged": float(len(state["known"])), "met": float(state["met"])}
        best = {"best": max(-value for _, value in state["known"])} if state["known"] else {}
        return aimed | counts | best | super().metrics(state)
