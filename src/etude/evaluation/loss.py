"""How well a model predicts held-out demonstrations; nothing is sampled."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from etude.component import Rule, component, option
from etude.errors import DataError
from etude.evaluation.interface import Result
from etude.evaluation.kind import Evaluation
from etude.evaluation.own_metrics import result_of
from etude.evaluation.statistics import Estimate, ratio
from etude.randomness import generator

if TYPE_CHECKING:
    from etude.evaluation.view import View


@component()
@dataclass(frozen=True)
class Loss(Evaluation):
    """The teacher-forced loss of held-out demonstrations, in nats a token, and its perplexity.

    The end of a response counts as a token. ``loss`` is the sum over all tokens over their number;
    its interval resamples demonstrations. Held-out rows need a response (data_mix's
    ``response_template``).
    """

    example: ClassVar[str] = "evaluation=loss data_mix.response_template='\"{solution}\"'"
    reads: ClassVar[tuple[str, ...]] = ("data_mix", "sources", "verifier", "rollout")
    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(  # a mix without templates says itself what it teaches
            "stage.data_mix.prompt_template == null or stage.data_mix.response_template != null",
            "is null, so no held-out row has a response whose loss could be measured.\n"
            "  data_mix.response_template='\"{solution}\"'  takes the column solution",
            "stage.data_mix.response_template",
        ),
        Rule(
            "stage.data_mix.held_out_template == null",
            "is set, and rows under it are measured without a response, which the evaluation loss"
            " needs.\n  data_mix.held_out_template=null",
            "stage.data_mix.held_out_template",
        ),
    )

    problems: int = option(1024, "most held-out demonstrations", ge=1, le=100_000_000)
    max_length: int = option(
        4096, "demonstrations of more tokens are left out, and counted", ge=2, le=100_000_000
    )
    bootstrap: int = option(
        1000, "resamples behind each interval; 0 gives none", ge=0, le=1_000_000
    )
    seed: int = option(0, "draws resamples", ge=0, le=2**63 - 1)

    def metric_ranges(self, demonstrated: bool) -> dict[str, tuple[float, float]]:
        """Return the metrics of a result and the least and most that each can be."""
        return {"loss": (0.0, math.inf), "perplexity": (1.0, math.inf)}

    def measure(self, view: View) -> Result:
        """Return both with intervals; raises DataError where nothing is demonstrated."""
        found = view.loss(view.problems(self.problems), self.max_length)
        if found is None:
            raise DataError(
                "the evaluation loss: no held-out row has a response of at most "
                f"{self.max_length} tokens; data_mix.response_template='{{solution}}' teaches one"
            )
        random = generator("bootstrap loss", self.seed)
        loss = ratio(found.losses, found.tokens, self.bootstrap, random)
        ends = (math.exp(min(each, 700.0)) for each in (loss.value, loss.low, loss.high))
        about = {
            "problems": len(found.losses),
            "left_out": found.left_out,
            "settings": {"max_length": self.max_length, "tokens": int(found.tokens.sum())},
        }
        metrics = {"loss": loss, "perplexity": Estimate(*ends)}
        return result_of(metrics, title="the evaluation loss", about=about)
