"""How often a model is right: pass@k, avg@k, maj@k and worst@k on held-out problems."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from etude.component import Rule, component, option
from etude.errors import DataError
from etude.evaluation.difficulty import EDGES, by_difficulty, read_tries
from etude.evaluation.flows import FLOWS, flows
from etude.evaluation.interface import Answers, Result
from etude.evaluation.kind import Evaluation
from etude.evaluation.records import records
from etude.evaluation.statistics import (
    bootstrap,
    majority_at_k,
    pass_at_k,
    ratio,
    unreached,
    unreached_bound,
    worst_at_k,
)
from etude.randomness import generator
from etude.rows import Outcome, StopReason, Verdict

if TYPE_CHECKING:
    from etude.evaluation.held_out_loss import Demonstrated
    from etude.evaluation.view import View


@component(
    source="arXiv 2107.03374 (unbiased pass@k), arXiv 2203.11171 (majority)",
)
@dataclass(frozen=True)
class PassAtK(Evaluation):
    """Samples answers to held-out problems and estimates pass@k, avg@k, maj@k and worst@k.

    With k tries a problem avg@k is the accuracy and pass@k the capability (arXiv 2505.14216);
    worst@k is the chance that all of k answers are right, and out_of_reach the share of problems
    that no try solved. Given the samples of another model's evaluation, ``base``, the change of the
    pass rate is told in bins of that model's pass rate, and divided by whether any of its answers
    was right: capability_gain where none was, self_distillation where some were, forgotten for
    what is lost; gained and lost are the shares of problems that became solvable, or ceased to be.
    Intervals are percentile bootstraps over problems. The problems, their samples' random numbers
    and the resamples depend on this component's seed alone, so two models are measured on the same
    problems with the same draws, whatever the seeds they were trained with.
    """

    reads: ClassVar[tuple[str, ...]] = ("data_mix", "sources", "verifier", "rollout")

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "greedy or max(k) <= samples",
            "is {k}, and each problem has {samples} answers: {path}.k=null, or more "
            "{path}.samples.",
            key="k",
        ),
        Rule(
            "not greedy or max(k) <= 1",
            "is {k}, and a greedy evaluation has one answer to a problem: {path}.k=null, or "
            "{path}.greedy=false",
            key="k",
        ),
    )

    problems: int = option(256, "most held-out problems that are measured", ge=1, le=100_000_000)
    samples: int = option(8, "answers sampled for each problem", ge=1, le=100_000)
    k: list[int] | None = option(
        None,
        "numbers of tries of pass@k (and maj@k above 1); null: 1 and samples",
        ge=1,
        le=100_000,
        items=1,
    )
    temperature: float = option(1.0, "sampling temperature", gt=0, le=1000)
    greedy: bool = option(False, "one answer, the most likely token each time; samples is then 1")
    max_new_tokens: int | None = option(
        None, "tokens an answer may take; null: rollout.max_new_tokens", ge=1, le=100_000_000
    )
    base: str | None = option(
        None,
        "folder of another model's evaluation, whose pass rates say how hard a problem is "
        "(outputs/evaluations/NAME)",
        form="samples reference",
    )
    bootstrap: int = option(
        1000, "resamples behind each interval; 0 gives none", ge=0, le=1_000_000
    )
    seed: int = option(0, "draws samples and resamples", ge=0, le=2**63 - 1)
    max_length: int = option(
        4096,
        "held-out demonstrations of more tokens are left out of the loss",
        ge=2,
        le=100_000_000,
    )

    def measure(self, view: View) -> Result:
        """Return metrics with intervals, outcome counts, and one record a sample."""
        problems = view.problems(self.problems, self.max_new_tokens)
        answers = view.answers(
            problems,
            self.tries,
            temperature=0.0 if self.greedy else self.temperature,
            seed=self.seed,
            max_new_tokens=self.max_new_tokens,
        )
        return self.of(answers, view.loss(problems, self.max_length))

    @property
    def tries(self) -> int:
        """Return how many answers each problem gets."""
        return 1 if self.greedy else self.samples

    def tries_asked(self) -> list[int]:
        """Return the k of pass@k, each from 1 to the answers there are."""
        return sorted({1, self.tries}) if self.k is None else self.k

    def metric_ranges(self, demonstrated: bool) -> dict[str, tuple[float, float]]:
        """Return the metrics of a result and the least and most that each can be.

        ``demonstrated`` tells whether held-out rows have a response, whose loss is then measured.
        """
        share = (0.0, 1.0)
        asked = self.tries_asked()
        found = {f"pass@{k}": share for k in asked}
        if self.tries > 1:
            found[f"avg@{self.tries}"] = share
        found |= {f"{name}@{k}": share for name in ("maj", "worst") for k in asked if k > 1}
        if self.tries > 1:
            found["out_of_reach"] = share
        found |= {"length": (0.0, math.inf), "truncated": share}
        found |= {f"length_{name}": (0.0, math.inf) for name in ("correct", "incorrect")}
        if demonstrated:
            found["loss"] = (0.0, math.inf)
        if self.base is not None:
            found |= {f"change/{low:g}-{high:g}": (-1.0, 1.0) for low, high in pairwise(EDGES)}
            found |= dict.fromkeys(FLOWS, share)
        return found

    def of(self, answers: Answers, loss: Demonstrated | None = None) -> Result:
        """Return what answers say, with the ``loss`` on demonstrations where there are any."""
        tries, asked = self.tries, self.tries_asked()
        shape = (len(answers.examples), tries)
        correct = np.array([v.outcome is Outcome.CORRECT for v in answers.verdicts]).reshape(shape)
        lengths = np.array([len(s.tokens) for s in answers.sampled], dtype=np.float64)
        cut = np.array([s.stop_reason is StopReason.LENGTH for s in answers.sampled], dtype=float)
        columns: dict[str, Any] = {f"pass@{k}": pass_at_k(correct, k) for k in asked}
        if tries > 1:
            columns[f"avg@{tries}"] = correct.mean(axis=1)
        votes = _votes(answers.verdicts, tries)
        for k in asked:
            if k > 1:
                random = generator("majority", self.seed, k)
                columns[f"maj@{k}"] = majority_at_k(votes, correct, k, random)
                columns[f"worst@{k}"] = worst_at_k(correct, k)
        if tries > 1:
            columns["out_of_reach"] = unreached(correct).astype(np.float64)
        columns["length"] = lengths.reshape(shape).mean(axis=1)
        columns["truncated"] = cut.reshape(shape).mean(axis=1)
        columns |= _of_episodes(answers, shape)
        random = generator("bootstrap", self.seed)
        estimates = bootstrap(np.stack(list(columns.values()), axis=1), self.bootstrap, random)
        metrics = {
            name: estimate.as_json() for name, estimate in zip(columns, estimates, strict=True)
        }
        if loss is not None:
            metrics["loss"] = self._loss(loss.losses, loss.tokens)
        metrics |= self._lengths(lengths.reshape(shape), correct)
        metrics |= self._changes(answers, correct)
        counts = Counter(verdict.outcome for verdict in answers.verdicts)
        result = {
            "metrics": metrics,
            "outcomes": {str(outcome): counts[outcome] for outcome in Outcome},
            "problems": shape[0],
            "samples": tries,
            "k": list(asked),
            "out_of_reach_below": unreached_bound(tries),
            "settings": self._settings(answers, loss),
        }
        partial = [v.credit or 0.0 for v in answers.verdicts if v.outcome is Outcome.PARTIAL]
        if partial:
            result["partial_share"] = sum(partial) / len(partial)
        return Result(result, records(answers, tries))

    def _changes(self, answers: Answers, correct: np.ndarray) -> dict[str, dict[str, float]]:
        """Return the change from the base model in bins of how hard it found the problems."""
        if self.base is None:
            return {}
        tries = read_tries(Path(self.base).expanduser(), "evaluation.base=")
        base = {name: sum(right) / len(right) for name, right in tries.items()}
        rates = correct.mean(axis=1).tolist()
        now = {e.id: rate for e, rate in zip(answers.examples, rates, strict=True)}
        strata = by_difficulty(base, now, resamples=self.bootstrap, seed=self.seed)
        if not strata:
            raise DataError(
                f"evaluation.base={self.base}: it was measured on none of these {len(now)} problems"
            )
        found = {stratum.name: stratum.change.as_json() for stratum in strata}
        ids = [place for place, each in enumerate(answers.examples) if each.id in tries]
        before = [tries[answers.examples[place].id] for place in ids]
        parts = flows(before, correct[ids])
        random = generator("bootstrap", self.seed)
        estimates = bootstrap(np.stack([parts[n] for n in FLOWS], axis=1), self.bootstrap, random)
        return found | {n: each.as_json() for n, each in zip(FLOWS, estimates, strict=True)}

    def _lengths(self, lengths: np.ndarray, correct: np.ndarray) -> dict[str, dict[str, float]]:
        """Return the mean tokens of right answers and of the others, where there are any."""
        found = {}
        for name, chosen in (("length_correct", correct), ("length_incorrect", ~correct)):
            if chosen.any():
                counts = chosen.sum(axis=1).astype(float)
                random = generator("bootstrap", self.seed)
                sums = (lengths * chosen).sum(axis=1)
                found[name] = ratio(sums, counts, self.bootstrap, random).as_json()
        return found

    def _loss(self, losses: np.ndarray, tokens: np.ndarray) -> dict[str, float]:
        """Return the mean loss of a token, with an interval over demonstrations."""
        random = generator("bootstrap loss", self.seed)
        return ratio(losses, tokens, self.bootstrap, random).as_json()

    def _settings(self, answers: Answers, loss: Demonstrated | None) -> dict[str, Any]:
        settings: dict[str, Any] = {
            "temperature": 0.0 if self.greedy else self.temperature,
            "max_new_tokens": answers.max_new_tokens,
            "seed": self.seed,
            "bootstrap": self.bootstrap,
        }
        if loss is not None:
            settings["demonstrations"] = len(loss.losses)
            settings["demonstrations_left_out"] = loss.left_out
        return settings


def _of_episodes(answers: Answers, shape: tuple[int, int]) -> dict[str, np.ndarray]:
    """Return the numbers of episodes with an environment, a mean for each problem."""
    counts = [each.counts() for each in answers.ended if each is not None]
    if not counts or len(counts) < len(answers.sampled):
        return {}
    return {
        f"environment/{name}": np.array([each[name] for each in counts]).reshape(shape).mean(axis=1)
        for name in counts[0]
    }


def _votes(verdicts: Sequence[Verdict], tries: int) -> np.ndarray:
    """Return the different answers of each problem as numbers, −1 where there is none."""
    votes = np.full(len(verdicts), -1, dtype=np.int64)
    for start in range(0, len(verdicts), tries):
        known: dict[str, int] = {}
        for place in range(start, start + tries):
            written = verdicts[place].extracted
            if written is not None:
                votes[place] = known.setdefault(written, len(known))
    return votes.reshape(-1, tries)
