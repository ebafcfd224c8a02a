"""How often a model finds the chosen answer of a preference likelier than the rejected one."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from etude.component import Need, component, option
from etude.errors import DataError
from etude.evaluation.interface import Result
from etude.evaluation.kind import Evaluation
from etude.evaluation.own_metrics import result_of

if TYPE_CHECKING:
    from etude.evaluation.view import View


@component(
    requires=[
        Need("column:chosen", why="to rank it above the other"),
        Need("column:rejected", why="to rank it below the other"),
    ],
    source="arXiv 2405.19534 (ranking accuracy)",
)
@dataclass(frozen=True)
class Ranking(Evaluation):
    """The ranking accuracy of preferences: how often the chosen answer is the likelier one.

    ``ranking`` compares the sums of the log-probs of both answers, their ends included, and
    ``ranking_per_token`` their means; ties count half. ``margin`` is the mean difference of the
    sums, in nats.
    """

    reads: ClassVar[tuple[str, ...]] = ("data_mix", "sources", "verifier", "rollout")

    example: ClassVar[str] = (
        "recipe=per_step_negatives stages.dpo.evaluations.pairs.evaluation=ranking "
        "stages.dpo.evaluations.pairs.data_mix=mix "
        "stages.dpo.evaluations.pairs.data_mix.held_out='{generated_pairs:{split:train}}'"
    )

    problems: int = option(1024, "most held-out preferences", ge=1, le=100_000_000)
    bootstrap: int = option(
        1000, "resamples behind each interval; 0 gives none", ge=0, le=1_000_000
    )
    seed: int = option(0, "draws resamples", ge=0, le=2**63 - 1)

    def metric_ranges(self, demonstrated: bool) -> dict[str, tuple[float, float]]:
        """Return the metrics of a result and the least and most that each can be."""
        share = (0.0, 1.0)
        return {"ranking": share, "ranking_per_token": share, "margin": (-math.inf, math.inf)}

    def measure(self, view: View) -> Result:
        """Return the shares with intervals over pairs, and one record a pair."""
        pairs = [
            each
            for each in view.problems(self.problems)
            if each.columns.get("chosen") and each.columns.get("rejected")
        ]
        if not pairs:
            raise DataError(
                "the evaluation ranking: no held-out row has both columns chosen and rejected; "
                "sources.NAME.columns.chosen=COLUMN names one"
            )
        sides = [
            view.logprobs(
                pairs,
                [str(each.columns[side]) for each in pairs],
                ended=[not each.columns.get(f"{side}_open") for each in pairs],
            )
            for side in ("chosen", "rejected")
        ]
        sums = [[float(read.logprobs.sum()) for read in side] for side in sides]
        means = [[float(read.logprobs.mean()) for read in side] for side in sides]
        margins = [a - b for a, b in zip(*sums, strict=True)]
        metrics = {
            "ranking": [_above(each) for each in margins],
            "ranking_per_token": [_above(a - b) for a, b in zip(*means, strict=True)],
            "margin": margins,
        }
        samples = [
            {"id": pair.id, "prompt": pair.prompt, "chosen": a, "rejected": b}
            for pair, a, b in zip(pairs, *sums, strict=True)
        ]
        return result_of(
            metrics,
            title="the evaluation ranking",
            resamples=self.bootstrap,
            seed=self.seed,
            samples=samples,
            about={"problems": len(pairs)},
        )


def _above(difference: float) -> float:
    return 0.5 if difference == 0 else float(difference > 0)
