"""An open stage measures by each of its evaluations what a fresh measurement of it does."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from etude.config.evaluations import view
from etude.evaluation.run import evaluate_policy
from etude.verifier.interface import Verifier

pytestmark = pytest.mark.slow

MEASURED = ("evaluation.problems=4", "evaluation.samples=2", "evaluation.bootstrap=10")
OWN = Path(__file__).parents[1] / "measures.py"
OTHERS = (
    "evaluations.hard.data_mix.held_out.arithmetic.levels=[2]",
    "evaluations.longer.rollout.max_new_tokens=9",
    "evaluations.math.verifier=math",
    f"evaluations.calm.evaluation={OWN}:Calm",
    "evaluations.calm.evaluation.problems=3",
    f"evaluations.agreement.evaluation={OWN}:agreement",
    "evaluations.agreement.evaluation.problems=3",
    "evaluations.agreement.evaluation.samples=3",
)


@pytest.mark.parametrize("stage", ["rl", "sft"])
def test_each_is_measured_as_by_itself(learner: Any, stage: str) -> None:
    made = learner(*MEASURED, *OTHERS, stage=stage)
    made.step(0)
    before = {name: made.evaluate(name) for name in ("main", "hard", "longer", "math", "calm")}
    for name, found in {**before, "agreement": made.evaluate("agreement")}.items():
        assert found == evaluate_policy(view(made.parts.config, name), made.policy), name
    assert before["longer"][0]["settings"]["max_new_tokens"] == 9
    assert before["hard"] != before["main"]
    again = {name: made.evaluate(name) for name in before}  # nothing of it moved anything
    assert again == before


def test_the_roles_of_an_episode_are_sampled_as_the_evaluation_says(learner: Any) -> None:
    episode = Path(__file__).parents[1] / "second_thought.py"
    made = learner(
        *MEASURED,
        f"rollout/episode={episode}:Critique",
        "models.judge={load: base}",
        "evaluations.narrow.rollout.top_p=0.01",
        "evaluations.narrow.rollout.max_new_tokens=24",
    )
    for _ in range(2):  # as the stage opens, and behind a step
        for name in ("main", "narrow"):
            seen = view(made.parts.config, name)
            assert made.evaluate(name) == evaluate_policy(seen, made.policy), name
        made.step(0)


class Counting:
    """A verifier with state: the answers that it judged for an evaluation."""

    def __init__(self, judge: Any) -> None:
        self.judge, self.seen = judge, 0
        self.close = judge.close

    def verify(self, candidates: Any) -> Any:
        self.seen += len(candidates)
        return self.judge.verify(candidates)

    def state_dict(self) -> dict[str, Any]:
        return {"seen": self.seen}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.seen = state["seen"]


def test_what_judges_for_evaluations_alone_may_come_and_go_between_attempts(
    learner: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = Verifier.open
    monkeypatch.setattr(Verifier, "open", lambda self, *given: Counting(plain(self, *given)))
    often = (*MEASURED, "evaluations.math.verifier=math", "execution.evaluate_every=1")
    first = learner(*often, stage="sft")
    first.evaluate("math")
    state = first.state_dict()
    assert state["live"]["evaluations.math.verifier"] == {"seen": 8}
    seldom = learner(*MEASURED, stage="sft")
    seldom.load_state_dict(state)
    gone_on = learner(*often, stage="sft")
    gone_on.load_state_dict(state)
    assert gone_on.live["evaluations.math.verifier"].seen == 8
    gone_on.load_state_dict(seldom.state_dict())
