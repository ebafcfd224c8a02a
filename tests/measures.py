# measures.py: two evaluations of one's own
from dataclasses import dataclass

from etude.component import component, option
from etude.evaluation.kind import Evaluation


def agreement(responses):
    """The share of the answers to a problem that are the most frequent one."""
    return max(responses.count(each) for each in responses) / len(responses)


@component(provides=["metric:longer", "metric:largest"])
@dataclass(frozen=True)
class Calm(Evaluation):
    """How much longer answers get at a high temperature, and the largest weight."""

    problems: int = option(64, "held-out problems", ge=1)
    hot: float = option(1.5, "the high temperature", gt=0)

    def measure(self, view):
        problems = view.problems(self.problems)
        cold = view.answers(problems, temperature=0.0).sampled
        hot = view.answers(problems, temperature=self.hot).sampled
        weights = view.policy.model.parameters()
        return {
            "longer": [len(b.tokens) - len(a.tokens) for a, b in zip(cold, hot, strict=True)],
            "largest": max(float(weight.detach().abs().max()) for weight in weights),
        }
