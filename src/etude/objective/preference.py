"""The preference objective: a better and a worse answer to each prompt, no rollouts.

    L = 1/pairs Σ_pairs pair_loss          pairs of the whole update batch

A preset chooses another pair loss. A row may also say with ``chosen_open`` and ``rejected_open``
that an answer is cut and no end-of-text token follows.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from etude.component import Need, component, slot
from etude.objective.loss import Loss, Metrics, ScalarLoss, row_metric
from etude.objective.pair_loss.kind import PairLoss
from etude.objective.pairs import PairBatch, Side
from etude.objective.parts import PartState


@component()
@dataclass(frozen=True)
class Preference:
    """Teaches which of two answers is better."""

    learner: ClassVar[str] = "preference"
    reads: ClassVar[tuple[str, ...]] = (
        "model",
        "models",
        "objective",
        "data_mix",
        "optimizer",
        "training",
    )
    base_requires: ClassVar[tuple[Need, ...]] = (
        Need("column:chosen", why="for the better answer"),
        Need("column:rejected", why="for the worse answer"),
    )
    words: ClassVar[str] = "mean over {rows} pairs of {pair_loss}"

    pair_loss: PairLoss = slot("dpo", "what a pair of a better and a worse answer costs")

    def make_state(self) -> PartState | None:
        """Return the state of the pair loss at the start of a stage, None when it has none."""
        return self.pair_loss.make_state()

    def loss(self, batch: PairBatch, state: Any = None) -> Loss:
        """Return the loss of a micro-batch; summed over the update batch it is the batch's loss."""
        term = self.pair_loss.loss(batch, state)
        metrics = {
            **_side_metrics("chosen", batch.chosen),
            **_side_metrics("rejected", batch.rejected),
            **term.metrics,
        }
        if isinstance(term, ScalarLoss):
            return Loss(term.loss, metrics)
        return Loss(term.loss.sum() / max(batch.totals.pairs, 1), metrics)


def _side_metrics(name: str, side: Side) -> Metrics:
    """Return the mean log-prob of whole answers and their mean length."""
    every = side.lengths.new_ones(side.lengths.shape)
    return {
        f"preference/{name}_logprob": row_metric(side.logprobs.sum(-1), every),
        f"preference/{name}_length": row_metric(side.lengths, every),
    }
