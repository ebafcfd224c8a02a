"""Reward weightings, selections and verifiers by path, for tests of what they may ask for."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from etude.component import component, option
from etude.objective.parts import Selection
from etude.objective.sample_weights.kind import SampleWeights
from etude.reward_weighting.interface import Combined
from etude.reward_weighting.weighted_sum import WeightedSum
from etude.rows import Outcome, Verdict
from etude.verifier.interface import Verifier


@component()
@dataclass(frozen=True)
class Steady(WeightedSum):
    """Rewards around a running mean of their groups' means, which moves once a step."""

    rate: float = option(0.0, "how far the mean moves; 0: rewards are those of the sum", ge=0)

    def start(self, seed):
        return {"mean": torch.zeros(()), "steps": 0, "updates": 0, "seen": 0}

    def combine(self, parts, *, groups, statuses, state, tools):
        rewards = super().combine(parts)
        assert len(groups) == len(statuses) == len(tools.lengths) == len(tools.seeds)
        assert tools.step == state["steps"] < tools.steps and tools.learning_rate > 0
        assert {Outcome(each) for each in statuses} and len(set(tools.seeds.tolist())) > 1
        means = torch.stack([rewards[groups == group].mean() for group in groups.unique()])
        mean = state["mean"] + self.rate * (means.mean() - state["mean"])
        moved = {"mean": mean, "steps": state["steps"] + 1, "seen": state["seen"] + len(rewards)}
        if self.rate > 0:
            rewards = rewards - mean
        return Combined(rewards, state=state | moved, weights=self.log_weights(list(parts)))

    def after_update(self, state, update):
        assert update.batch.parts.keys() >= {"accuracy"}
        return state | {"updates": state["updates"] + 1}

    def observe(self, state, feedback):
        assert state["steps"] == feedback.step + 1
        return state

    def metrics(self, state):
        return {"mean": float(state["mean"]), "steps": state["steps"], "updates": state["updates"]}


@dataclass(frozen=True)
class OfParts(WeightedSum):
    """The weighted sum of each part's own advantages; ``together``: those of the sum."""

    together: bool = option(False, "advantages of the weighted sum of parts")

    def combine(self, parts, *, tools):
        rewards, weights = super().combine(parts), self.log_weights(list(parts))
        if self.together:
            return Combined(rewards, tools.advantages(rewards), weights)
        found = sum(w * tools.advantages(name) for name, w in weights.items() if w)
        return Combined(rewards, found, weights, metrics={"size": float(found.abs().mean())})


@component(provides=["reward:of_batch", "reward:advantages"], requires=["learner:policy_gradient"])
@dataclass(frozen=True)
class ByPart(OfParts):
    """Advantages of each part, without a critic."""


@component(
    provides=["reward:of_batch", "reward:advantages_by_value"],
    requires=["learner:policy_gradient"],
)
@dataclass(frozen=True)
class ByHead(OfParts):
    """Advantages of each part by values of its own."""

    def values(self):
        return {name: 1.0 for name, weight in self.weights.items() if weight}


@component(provides=["reward:of_batch"], requires=["learner:policy_gradient"])
@dataclass(frozen=True)
class Looking(WeightedSum):
    """The weighted sum, after a look at the gradients of some rows and of all."""

    def combine(self, parts, *, tools):
        rewards = super().combine(parts)
        whole = tools.gradient(tools.advantages(rewards))
        first = tools.gradient(tools.advantages(rewards), torch.tensor([0, 1]), layers=[0])
        norms = {"whole": whole.norm(), "first": first.norm()}
        assert abs(float(whole.flat().norm()) - whole.norm()) <= 1e-5 * (1 + whole.norm())
        return Combined(rewards, weights=self.log_weights(list(parts)), metrics=norms)


@component()
@dataclass(frozen=True)
class Counted(Selection):
    """Every row counts as often as ``times`` says, one after the other."""

    times: list[int] = option([1], "how often the rows count, in turn")

    def select(self, batch, advantages, state):
        rows = len(batch.mask)
        return torch.tensor(self.times).repeat(-(-rows // len(self.times)))[:rows]


@component(provides=["part:accuracy", "part:steps", "part:brief"])
@dataclass(frozen=True)
class Stepwise(Verifier):
    """Digits are right; each is rewarded where it stands, and only short answers may be brief."""

    def judge(self, candidate):
        text = candidate.response
        spans = [(i, i + 1, 0.5) for i, sign in enumerate(text) if sign.isdigit()]
        right = len(spans) % 2 == 0 and bool(spans)
        parts = {"accuracy": float(right)}
        if len(text) < 20:
            parts["brief"] = 1.0 - len(text) / 20
        outcome = Outcome.CORRECT if right else Outcome.WRONG
        return Verdict(outcome, parts, spans={"steps": spans})


@component()
@dataclass(frozen=True)
class Harder(SampleWeights):
    """Demonstrations count by their losses; without ``power`` all alike."""

    power: float = option(1.0, "how much the losses count")

    def weigh(self, samples, state):
        return samples.losses**self.power
