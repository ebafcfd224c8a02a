# balance.py: parts whose gradients agree with the others' count more, step by step
import math
from dataclasses import dataclass

from etude.component import component, option
from etude.reward_weighting.interface import Combined, RewardWeighting


@component(provides=["reward:of_batch"], requires=["learner:policy_gradient"])
@dataclass(frozen=True)
class Balance(RewardWeighting):
    """Moves the weights of parts towards those that pull where all of them together do."""

    weights: dict[str, float] = option(
        {"accuracy": 1.0, "format": 0.1}, "weight of each part at the start", form="part"
    )
    pace: float = option(0.1, "how fast weights move; 0 leaves them", ge=0)
    above: float = option(0.0, "share of the decoder, from below, that is left out", ge=0, lt=1)

    def start(self, seed):
        return {"weights": dict(self.weights), "steps": 0}

    def combine(self, parts, *, state, tools):
        weights = state["weights"]
        if self.pace > 0:
            layers = range(int(self.above * tools.layers), tools.layers) if self.above else None
            pulls = {n: tools.gradient(tools.advantages(n), layers=layers) for n in weights}
            agreed = {n: sum(g.dot(other) for other in pulls.values()) for n, g in pulls.items()}
            size = max(map(abs, agreed.values())) or 1.0
            moved = {n: w * math.exp(self.pace * agreed[n] / size) for n, w in weights.items()}
            total = sum(weights.values()) / sum(moved.values())
            weights = {n: w * total for n, w in moved.items()}
        rewards = sum(weight * parts[name] for name, weight in weights.items())
        state = {"weights": weights, "steps": state["steps"] + 1}
        return Combined(rewards, weights=weights, state=state)

    def metrics(self, state):
        return {"steps": state["steps"]}
