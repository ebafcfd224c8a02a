"""Whether a model is as often right as it seems sure."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np
from numpy.typing import NDArray

from etude.component import component, option
from etude.evaluation.detectors import detection
from etude.evaluation.interface import Answers, Result
from etude.evaluation.kind import Evaluation
from etude.evaluation.own_metrics import result_of
from etude.evaluation.records import records
from etude.rows import Outcome

if TYPE_CHECKING:
    from etude.evaluation.view import View

Floats = NDArray[np.float64]


@component(source="arXiv 1706.04599 (ECE), 2207.05221")
@dataclass(frozen=True)
class Calibration(Evaluation):
    """How far the confidence of answers is from how often they are right: ECE, Brier and AUROC.

    ``confidence=likelihood`` is the geometric mean of the probabilities of an answer's tokens as
    they were sampled, ``agreement`` the share of the other answers to its problem that say the
    same. ``ece`` is the mean distance of confidence and accuracy over bins of equal width,
    weighted by their answers; ``brier`` the mean squared distance; ``auroc`` how often a right
    answer is the surer one.
    """

    reads: ClassVar[tuple[str, ...]] = ("data_mix", "sources", "verifier", "rollout")

    confidence: str = option(
        "agreement", "what an answer's confidence is", choices=("agreement", "likelihood")
    )
    problems: int = option(256, "most held-out problems that are measured", ge=1, le=100_000_000)
    samples: int = option(8, "answers sampled for each problem", ge=2, le=100_000)
    bins: int = option(10, "bins of confidence from 0 to 1", ge=1, le=1000)
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
        return dict.fromkeys(("ece", "brier", "auroc", "confidence", "accuracy"), (0.0, 1.0))

    def measure(self, view: View) -> Result:
        """Return what confidence is worth, and one record a sample."""
        answers = view.answers(
            view.problems(self.problems, self.max_new_tokens),
            self.samples,
            temperature=self.temperature,
            seed=self.seed,
            max_new_tokens=self.max_new_tokens,
        )
        return self.of(answers)

    def of(self, answers: Answers) -> Result:
        """Return what judged answers come to; the verifier's own failures are left out."""
        sure = self.confidences(answers)
        told = np.array([not v.outcome.failed for v in answers.verdicts])
        right = np.array([v.outcome is Outcome.CORRECT for v in answers.verdicts], dtype=float)
        tries = self.samples
        squares = ((sure - right) ** 2).reshape(-1, tries)
        some = told.reshape(-1, tries)
        kept = some.any(axis=1)
        table = reliability(sure[told], right[told], self.bins)
        metrics = {
            "ece": sum(b["share"] * abs(b["confidence"] - b["accuracy"]) for b in table),
            "brier": _over(squares, some)[kept],
            "confidence": _over(sure.reshape(-1, tries), some)[kept],
            "accuracy": _over(right.reshape(-1, tries), some)[kept],
        }
        area = detection((right[told] > 0).tolist(), sure[told].tolist()).auc
        if math.isfinite(area):
            metrics["auroc"] = area
        samples = records(answers, tries)
        for sample, value in zip(samples, sure.tolist(), strict=True):
            sample["confidence"] = value
        return result_of(
            metrics,
            title="the evaluation calibration",
            resamples=self.bootstrap,
            seed=self.seed,
            samples=samples,
            about={"problems": len(answers.examples), "samples": tries, "reliability": table},
        )

    def confidences(self, answers: Answers) -> Floats:
        """Return the confidence of each answer, from 0 to 1."""
        if self.confidence == "likelihood":
            return np.array(
                [math.exp(np.mean(s.logprobs)) if s.logprobs else 0.0 for s in answers.sampled]
            )
        found: list[float] = []
        for start in range(0, len(answers.verdicts), self.samples):
            said = [v.extracted for v in answers.verdicts[start : start + self.samples]]
            counts = Counter(each for each in said if each is not None)
            others = self.samples - 1
            found += [(counts[e] - 1) / others if e is not None else 0.0 for e in said]
        return np.array(found)


def reliability(sure: Floats, right: Floats, bins: int) -> list[dict[str, float]]:
    """Return the bins that hold answers: bounds, share of them, mean confidence and accuracy."""
    places = np.minimum((sure * bins).astype(int), bins - 1)
    return [
        {
            "low": place / bins,
            "high": (place + 1) / bins,
            "share": float((places == place).mean()),
            "confidence": float(sure[places == place].mean()),
            "accuracy": float(right[places == place].mean()),
        }
        for place in np.unique(places).tolist()
    ]


def _over(values: Floats, there: NDArray[np.bool_]) -> Floats:
    """Return the mean of each row over where it is there; nan where it is nowhere."""
    with np.errstate(invalid="ignore"):
        return np.asarray(np.where(there, values, 0.0).sum(axis=1) / there.sum(axis=1))
