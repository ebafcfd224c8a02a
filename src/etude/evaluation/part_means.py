"""What answers to held-out problems are worth by each part, and how long they are."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from etude.component import component, option
from etude.errors import DataError
from etude.evaluation.interface import Answers, Result
from etude.evaluation.kind import Evaluation
from etude.evaluation.own_metrics import result_of
from etude.evaluation.records import records

if TYPE_CHECKING:
    from etude.evaluation.view import View


@component()
@dataclass(frozen=True)
class PartMeans(Evaluation):
    """The mean of each part over sampled answers to held-out problems, and their length.

    A mean over problems of means over their answers; answers that a part does not apply to are in
    neither.
    """

    reads: ClassVar[tuple[str, ...]] = ("data_mix", "sources", "verifier", "rollout")

    parts: list[str] = option(
        ["accuracy", "format"], "parts of the verifier that are measured", form="part", items=1
    )
    problems: int = option(32, "most held-out problems that are measured", ge=1, le=100_000_000)
    samples: int = option(4, "answers sampled for each problem", ge=1, le=100_000)
    temperature: float = option(1.0, "sampling temperature", gt=0, le=1000)
    max_new_tokens: int | None = option(
        None, "tokens an answer may take; null: rollout.max_new_tokens", ge=1, le=100_000_000
    )
    bootstrap: int = option(
        1000, "resamples behind each interval; 0 gives none", ge=0, le=1_000_000
    )
    seed: int = option(0, "draws samples and resamples", ge=0, le=2**63 - 1)

    def metric_ranges(self, demonstrated: bool) -> dict[str, tuple[float, float]]:
        """Return the metrics of a result and the least and most that each can be."""
        parts = dict.fromkeys(self.parts, (-math.inf, math.inf))
        return {**parts, "length": (0.0, math.inf)}

    def measure(self, view: View) -> Result:
        """Return the means with intervals over problems, and one record a sample."""
        problems = view.problems(self.problems, self.max_new_tokens)
        return self.of(
            view.answers(
                problems,
                self.samples,
                temperature=self.temperature,
                seed=self.seed,
                max_new_tokens=self.max_new_tokens,
            )
        )

    def of(self, answers: Answers) -> Result:
        """Return what judged answers come to; raises DataError where a part applies to none."""
        shape = (len(answers.examples), self.samples)
        lengths = np.array([len(s.tokens) for s in answers.sampled], dtype=float).reshape(shape)
        columns = {name: self._means(answers, name) for name in self.parts}
        columns["length"] = lengths.mean(axis=1)
        about = {"problems": shape[0], "samples": self.samples, "settings": self._settings(answers)}
        return result_of(
            columns,
            title="the evaluation part_means",
            resamples=self.bootstrap,
            seed=self.seed,
            samples=records(answers, self.samples),
            about=about,
        )

    def _means(self, answers: Answers, part: str) -> np.ndarray:
        """Return the mean of a part over the answers to each problem that it applies to."""
        values = np.array([v.parts.get(part, math.nan) for v in answers.verdicts], dtype=float)
        of_problem = values.reshape(-1, self.samples)
        there = ~np.isnan(of_problem)
        some = there.any(axis=1)
        if not some.any():
            raise DataError(f"the part '{part}' applies to no answer of the evaluation")
        sums = np.where(there, of_problem, 0.0).sum(axis=1)
        means: np.ndarray = sums[some] / there.sum(axis=1)[some]
        return means

    def _settings(self, answers: Answers) -> dict[str, float]:
        return {
            "temperature": self.temperature,
            "max_new_tokens": answers.max_new_tokens,
            "seed": self.seed,
            "bootstrap": self.bootstrap,
        }
