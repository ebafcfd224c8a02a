"""best@k, worst@k and maj@k as drawing k answers with replacement gives them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from etude.component import Rule, component, option
from etude.evaluation.interface import Answers, Result
from etude.evaluation.kind import Evaluation
from etude.evaluation.own_metrics import result_of
from etude.evaluation.records import records
from etude.rows import Outcome
from etude.statistics.votes import Score, best, over_draws, plurality, worst

if TYPE_CHECKING:
    from etude.evaluation.view import View


@component(source="verl (metric_utils.py)")
@dataclass(frozen=True)
class ResampledAtK(Evaluation):
    """The best, the worst and the most frequent of k answers, k drawn with replacement.

    The numbers that verl reports, to be set beside its own. A subset may hold an answer twice, so
    best@k lies below pass@k, which evaluation=pass_at_k estimates without bias: never draw the two
    into one curve. Answers vote by the text that the verifier read; a tie goes to the answer that
    came first, and no answer is a vote like any other unless ``drop_empty``. maj@n over all of
    ``samples`` is counted, not drawn.
    """

    reads: ClassVar[tuple[str, ...]] = ("data_mix", "sources", "verifier", "rollout")

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "max(k) <= samples",
            "is {k}, and each problem has {samples} answers: {path}.k=null, or more "
            "{path}.samples.",
            key="k",
        ),
    )

    problems: int = option(256, "most held-out problems that are measured", ge=1, le=100_000_000)
    samples: int = option(8, "answers sampled for each problem", ge=1, le=100_000)
    k: list[int] | None = option(
        None, "sizes of the subsets; null: 2, 4, … up to samples", ge=1, le=100_000, items=1
    )
    subsets: int = option(1000, "subsets drawn of each problem's answers", ge=1, le=1_000_000)
    drop_empty: bool = option(False, "whether what holds no answer has no vote")
    temperature: float = option(1.0, "sampling temperature", gt=0, le=1000)
    max_new_tokens: int | None = option(
        None, "tokens an answer may take; null: rollout.max_new_tokens", ge=1, le=100_000_000
    )
    bootstrap: int = option(
        1000, "resamples behind each interval; 0 gives none", ge=0, le=1_000_000
    )
    seed: int = option(42, "draws samples, subsets and resamples", ge=0, le=2**32 - 1)

    def sizes(self) -> list[int]:
        """Return the sizes of the subsets."""
        if self.k is not None:
            return self.k
        return sorted({2**n for n in range(1, self.samples.bit_length())} | {self.samples})

    def metric_ranges(self, demonstrated: bool) -> dict[str, tuple[float, float]]:
        """Return the metrics of a result and the least and most that each can be."""
        names = ("best", "worst", "maj")
        found = {f"{name}@{k}_resampled": (0.0, 1.0) for k in self.sizes() for name in names}
        return {**found, f"maj@{self.samples}": (0.0, 1.0), "length": (0.0, float("inf"))}

    def measure(self, view: View) -> Result:
        """Return the means with intervals over problems, and one record a sample."""
        problems = view.problems(self.problems, self.max_new_tokens)
        answers = view.answers(
            problems,
            self.samples,
            temperature=self.temperature,
            seed=self.seed,
            max_new_tokens=self.max_new_tokens,
        )
        return self.of(answers)

    def of(self, answers: Answers) -> Result:
        """Return what judged answers come to."""
        shape = (len(answers.examples), self.samples)
        right = [float(v.outcome is Outcome.CORRECT) for v in answers.verdicts]
        read = [v.extracted or "" for v in answers.verdicts]
        n = self.samples
        both = [(read[at : at + n], right[at : at + n]) for at in range(0, len(read), n)]
        columns: dict[str, Any] = {}
        for k in self.sizes():
            for name, score in (("best", best), ("worst", worst), ("maj", self.vote)):
                columns[f"{name}@{k}_resampled"] = [
                    self.resampled(score, texts, values, k) for texts, values in both
                ]
        columns[f"maj@{n}"] = [self.vote(texts, values) for texts, values in both]
        lengths = np.array([len(s.tokens) for s in answers.sampled], dtype=float)
        columns["length"] = lengths.reshape(shape).mean(axis=1)
        return result_of(
            columns,
            title="the evaluation resampled_at_k",
            resamples=self.bootstrap,
            seed=self.seed,
            samples=records(answers, self.samples),
            about={"problems": shape[0], "samples": self.samples},
        )

    def resampled(
        self, score: Score, answers: Sequence[str], values: Sequence[float], k: int
    ) -> float:
        """Return the mean of a score over subsets of k answers to one problem.

        Drawn as verl draws them: anew from the seed for every problem and score.
        """
        random = np.random.RandomState(self.seed)
        drawn = random.choice(len(answers), size=(self.subsets, k), replace=True)
        return over_draws(score, answers, values, drawn)[0]

    def vote(self, answers: Sequence[str], values: Sequence[float]) -> float:
        """Return the value of the most frequent answer; 0 where none votes."""
        if not self.drop_empty:
            return plurality(answers, values)
        there = [place for place, answer in enumerate(answers) if answer]
        if not there:
            return 0.0
        return plurality([answers[i] for i in there], [values[i] for i in there])
