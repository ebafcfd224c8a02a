"""ReLIFT (arXiv 2506.07527): fine-tuning on the questions that no answer of a group solved.

A prompt whose answers all have the fail value enters a buffer with its worked solution, the newest
in front. Once the buffer holds ``size`` of them, the first ``size`` are taken out and taught after
the policy's update of that step, with an optimizer of their own; the rest waits for later steps:

    L = Σ m·(−ℓ − entropy_coef·H) / Σ m        over the demonstrations of a mini-batch

There are ``epochs`` passes over mini-batches, at one learning rate in the paper; ℓ and H are those
at temperature 1, whatever answers are sampled at. Prompts without a worked solution, and those
whose answers are all worse than the fail value (no format), are counted and left out. The buffer
travels in checkpoints.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

from etude.component import Need, component, option, slot
from etude.objective.aggregation.micro_token_mean import MicroTokenMean
from etude.objective.aggregation.token_mean import TokenMean
from etude.objective.batch import Forward, LossBatch, MaskedForward
from etude.objective.loss import Loss, aggregate, token_metric
from etude.objective.parts import Aggregation, ExtraUpdate, Sampler
from etude.optimizer.adamw import AdamW
from etude.rows import Example, Row

_DENOMINATORS: Mapping[str, Aggregation] = {
    "global_tokens": TokenMean(),
    "micro": MicroTokenMean(weigh="alike"),
}


@dataclass
class HardQuestions:
    """The buffer, newest first, and how many prompts were seen and taught so far."""

    rows: list[Row] = field(default_factory=list)
    seen: int = 0
    taught: int = 0

    def state_dict(self) -> dict[str, Any]:
        """Return the buffer as tokens, and the counts."""
        rows = [
            {"id": row.prompt_id, "prompt": list(row.prompt), "tokens": list(row.tokens)}
            for row in self.rows
        ]
        return {"rows": rows, "seen": self.seen, "taught": self.taught}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore what :meth:`state_dict` returned."""
        self.rows = [
            Row(
                prompt_id=saved["id"],
                index=0,
                prompt=tuple(saved["prompt"]),
                sampled_prompt=tuple(saved["prompt"]),
                tokens=tuple(saved["tokens"]),
                loss_mask=[1] * len(saved["tokens"]),
                off_policy=[1] * len(saved["tokens"]),
                example=Example(saved["id"], source="", prompt=""),
            )
            for saved in state["rows"]
        ]
        self.seen, self.taught = state["seen"], state["taught"]


@component(
    source="arXiv 2506.07527",
    requires=[
        Need("column:solution", why="to teach what no answer solved"),
    ],
)
@dataclass(frozen=True)
class ReLIFT(ExtraUpdate):
    """Fine-tuning on the worked solutions of questions that no answer solved."""

    words: ClassVar[str] = "SFT on every {size} unsolved questions ({optimizer})"

    size: int = option(
        128, "unsolved questions of one fine-tuning; -1: none is collected", ge=-1, le=10_000_000
    )
    mini_batch: int = option(128, "demonstrations of one optimizer step", ge=1, le=10_000_000)
    epochs: int = option(1, "passes over the demonstrations", ge=1, le=10_000)
    optimizer: AdamW = slot(
        "adamw_fine_tuning",
        "what moves the policy here, with a state of its own",
        group="optimizer",
    )
    gradient_clip: float | None = option(
        1.0, "largest norm of the gradient; null clips nothing", gt=0
    )
    entropy_coef: float = option(0.001, "weight of the entropy bonus", ge=0)
    metric: str = option(
        "accuracy",
        "what says that an answer failed: a part of the verifier, or reward (the sum)",
        form="part or reward",
    )
    fail_value: float = option(0.0, "a question is unsolved when all its answers have this value")
    denominator: str = option(
        "global_tokens",
        "what the loss is divided by: global_tokens (all of the mini-batch) | micro (token means "
        "of micro-batches, all alike: a fidelity option, the result then depends on their size)",
        choices=tuple(_DENOMINATORS),
    )

    def make_state(self) -> HardQuestions:
        """Return an empty buffer."""
        return HardQuestions()

    def collect(
        self, groups: Sequence[Sequence[Row]], sampler: Sampler, state: HardQuestions
    ) -> dict[str, float]:
        """Put the step's unsolved questions in front of the buffer."""
        if self.size < 1:
            return {}
        values = [self._values(group) or {math.inf} for group in groups]
        unsolved = [
            g for g, found in zip(groups, values, strict=True) if found == {self.fail_value}
        ]
        known = [sampler.taught(group[0].example) for group in unsolved]
        new = [row for row in known if row is not None]
        state.rows = new + state.rows
        state.seen += len(groups)
        return {
            "extra/relift/unsolved": float(len(unsolved)),
            "extra/relift/worse": float(sum(max(found) < self.fail_value for found in values)),
            "extra/relift/without_solution": float(len(unsolved) - len(new)),
            "extra/relift/buffer": float(len(state.rows)),
            "extra/relift/taught_share": state.taught / max(state.seen, 1),
        }

    def _values(self, group: Sequence[Row]) -> set[float]:
        """Return the values of a group's own answers; demonstrations among them do not count."""
        own = [row for row in group if not row.off_policy or 0 in row.off_policy]
        if self.metric == "reward":
            return {row.reward for row in own}
        known = [row.verdict.parts for row in own if row.verdict is not None]
        return {parts[self.metric] for parts in known if self.metric in parts}

    def batches(self, state: HardQuestions) -> list[list[Row]]:
        """Return the mini-batches of one fine-tuning when the buffer holds enough, else none."""
        if self.size < 1 or len(state.rows) < self.size:
            return []
        due, state.rows = state.rows[: self.size], state.rows[self.size :]
        state.taught += len(due)
        starts = range(0, len(due), self.mini_batch)
        return [due[i : i + self.mini_batch] for _ in range(self.epochs) for i in starts]

    def loss(self, batch: LossBatch, forward: Forward) -> Loss:
        """Return the likelihood of the demonstrations and the entropy bonus."""
        passed = MaskedForward(forward, batch.mask)
        tokens = -passed.logprobs
        metrics = {"nll": token_metric(tokens, batch.mask)}
        if self.entropy_coef > 0:
            entropy = passed.entropy()
            metrics["entropy"] = token_metric(entropy, batch.mask)
            tokens = tokens - self.entropy_coef * entropy
        weights = _DENOMINATORS[self.denominator].weights(batch.mask, batch.totals)
        return Loss(aggregate(tokens, weights), metrics)
