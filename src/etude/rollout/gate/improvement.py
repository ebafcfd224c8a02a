"""Gated iterations within a stage: only a candidate that is measurably better is deployed.

The behaviour policy (``rollout.model_from``) samples and gives the old log-probs, the trained model
is the candidate. After every so many steps an evaluation scores the candidate
(:mod:`etude.gating`):

    accepted: best = score, and the behaviour policy takes the candidate's weights
    rejected: the behaviour policy stays to the bit, and ``on_reject`` says how training goes on

The first best is the behaviour policy's own score. What the stage hands on is the behaviour policy:
the last candidate that was accepted. The gate on an offline evaluation is Uni-O4's (arXiv
2311.03351, strict) and RL-100's (arXiv 2510.14830, a relative margin of 0.05); patience is ours.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, ClassVar

from etude.component import Need, Rule, component, option
from etude.errors import StageError
from etude.feedback import StepFeedback
from etude.gating import MODES, RULES, GateRule, Standing
from etude.live import HandsOn, Live, Tree
from etude.rollout.gate.kind import Gate

#: The model that samples in the place of the trained one.
BEHAVIOUR = "rollout.model_from"


@component(
    source="arXiv 2510.14830, arXiv 2311.03351",
    requires=[
        Need("evaluation:{evaluation}@{every}", why="to score the trained model"),
        Need(f"model:{BEHAVIOUR}", why="to sample from what was accepted"),
    ],
    provides=[f"changes:{BEHAVIOUR}"],
)
@dataclass(frozen=True)
class Improvement(Gate):
    """Lets the trained model replace the one that samples once an evaluation says it is better."""

    example: ClassVar[str] = (
        "recipe=rl stages.rl.rollout.model_from=start rollout/gate=improvement"
        " rollout.gate.every=20"
    )
    words: ClassVar[str] = "every {every} steps a better {metric} replaces the model that samples"
    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "stage.training.hand_on == 'last'",
            "is {stage.training.hand_on}, and what the stage hands on is what {path} accepted: "
            "training.hand_on=last",
        ),
        Rule(
            "every <= stage.training.steps",
            "is {every}, and the stage has {stage.training.steps} steps: no candidate would be "
            "measured",
        ),
    )

    evaluation: str = option("main", "the evaluation that scores candidates")
    metric: str = option("pass@1", "its metric that is compared", form="metric")
    every: int = option(50, "steps from one candidate to the next", ge=1)
    mode: str = option("max", "which score is better: max | min", choices=MODES)
    rule: str = option(
        "strict",
        "strict: a candidate is accepted above best + delta | margin: from there on",
        choices=RULES,
    )
    delta: float = option(0.0, "how much better than the best so far it must be", ge=0)
    relative: bool = option(False, "delta is a share of |best|")
    patience: int | None = option(
        None, "rejections in a row after which the stage ends; null: never", ge=1
    )
    on_reject: str = option(
        "continue",
        "after a rejection: continue (train the candidate on) | revert (to the accepted weights, "
        "with a new optimizer) | stop (end the stage)",
        choices=("continue", "revert", "stop"),
    )

    @property
    def gate_rule(self) -> GateRule:
        """Return how scores are compared."""
        return GateRule(self.rule, self.delta, self.relative, self.mode)

    @property
    def most_in_a_row(self) -> int | None:
        """Return after how many rejections in a row the stage ends."""
        return 1 if self.on_reject == "stop" else self.patience

    def open(self, stage: Any) -> ImprovementState | None:
        """Return what decides in a stage; nothing for a role, which samples by itself."""
        return None if stage.on_policy else ImprovementState(self, stage)


class ImprovementState(Live):
    """How the gate of a stage decided so far; before the first candidate nothing is known."""

    def __init__(self, config: Improvement, stage: Any) -> None:
        self.config = config
        self._stage = stage
        self.standing: Standing | None = None
        self._accepted_at = 0
        self._over = ""

    def observe(self, feedback: StepFeedback) -> None:
        """Decide about a candidate where one was just measured."""
        measured = feedback.evaluations.get(self.config.evaluation)
        if measured is None or (feedback.step + 1) % self.config.every:
            return
        self.decide(self._score(measured), feedback.step + 1)

    def decide(self, score: float, finished: int) -> bool:
        """Accept or reject the trained model as it stands after so many steps."""
        config = self.config
        if self.standing is None:
            numbers = self._stage.numbers_of(config.evaluation, BEHAVIOUR)
            self.standing = Standing(self._score(numbers))
        accepted = self.standing.judged(score, config.gate_rule)
        if accepted:
            self._stage.copy(BEHAVIOUR)
            self._accepted_at = finished
        elif config.on_reject == "revert":
            self._stage.restore(BEHAVIOUR)
            self._stage.reset()
        if self.standing.in_a_row == config.most_in_a_row:
            times = self.standing.in_a_row
            rejected = "the candidate was" if times == 1 else f"{times} candidates in a row were"
            best = f"{config.metric} {score:.4g}, the best is {self.standing.best:.4g}"
            self._over = f"{rejected} rejected ({best})"
        return accepted

    def _score(self, numbers: Any) -> float:
        if self.config.metric not in numbers:
            raise StageError(
                f"rollout.gate.metric={self.config.metric}: the evaluation "
                f"{self.config.evaluation} gave {', '.join(numbers)}"
            )
        return float(numbers[self.config.metric])

    def ended(self) -> str:
        """Return why the stage is over, empty while it goes on."""
        return self._over

    def hands_on(self) -> HandsOn:
        """Return what the stage hands on: the behaviour policy, which is what was accepted."""
        return HandsOn(BEHAVIOUR, self._accepted_at)

    def metrics(self) -> dict[str, float]:
        """Return the numbers of the last decision, none before there is one."""
        standing = self.standing
        if standing is None or standing.score is None:
            return {}
        return {
            "accepted": float(standing.accepted),
            "rejected": float(standing.rejected),
            "score": standing.score,
            "best": standing.best,
            "rejected_in_a_row": float(standing.in_a_row),
        }

    def state_dict(self) -> Tree:
        """Return how it decided, and whether the stage is over."""
        standing = None if self.standing is None else asdict(self.standing)
        return {"standing": standing, "accepted_at": self._accepted_at, "over": self._over}

    def load_state_dict(self, state: Tree) -> None:
        """Restore what :meth:`state_dict` returned."""
        standing = state["standing"]
        self.standing = None if standing is None else Standing(**standing)
        self._accepted_at = int(state["accepted_at"])
        self._over = state["over"]
