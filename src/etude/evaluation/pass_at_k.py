"""How often a model is right: pass@k, avg@k and maj@k on held-out problems, with intervals."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from etude.component import component, option
from etude.errors import ConfigError, DataError, Fault
from etude.evaluation.difficulty import by_difficulty, read_rates
from etude.evaluation.interface import Answers, Result
from etude.evaluation.statistics import (
    bootstrap,
    majority_at_k,
    pass_at_k,
    unreached,
    unreached_bound,
)
from etude.randomness import generator, seed_of
from etude.rows import Example, Outcome, Request, StopReason, Verdict


@component(
    source="arXiv 2107.03374 (unbiased pass@k), arXiv 2203.11171 (majority)",
)
@dataclass(frozen=True)
class PassAtK:
    """Samples answers to held-out problems and estimates pass@k, avg@k and maj@k.

    With k tries a problem avg@k is the accuracy and pass@k the capability (arXiv 2505.14216);
    out_of_reach is the share of problems that no try solved. Given the samples of another model's
    evaluation, ``base``, the change of the pass rate is told in bins of that model's pass rate.
    Intervals are percentile bootstraps over problems. The problems, their samples' random numbers
    and the resamples depend on this component's seed alone, so two models are measured on the same
    problems with the same draws, whatever the seeds they were trained with.
    """

    reads: ClassVar[tuple[str, ...]] = ("data_mix", "sources", "verifier", "rollout")

    problems: int = option(256, "most held-out problems that are measured", ge=1)
    samples: int = option(8, "answers sampled for each problem", ge=1)
    k: list[int] | None = option(
        None, "numbers of tries of pass@k (and maj@k above 1); null: 1 and samples"
    )
    temperature: float = option(1.0, "sampling temperature", gt=0)
    greedy: bool = option(False, "one answer, the most likely token each time; samples is then 1")
    max_new_tokens: int | None = option(
        None, "tokens an answer may take; null: rollout.max_new_tokens", ge=1
    )
    base: str | None = option(
        None,
        "folder of another model's evaluation, whose pass rates say how hard a problem is "
        "(outputs/evaluations/NAME)",
    )
    bootstrap: int = option(1000, "resamples behind each interval; 0 gives none", ge=0)
    seed: int = option(0, "draws samples and resamples", ge=0)
    max_length: int = option(
        4096, "held-out demonstrations of more tokens are left out of the loss", ge=2
    )

    def requests(
        self, examples: Sequence[Example], prompts: Sequence[tuple[int, ...]], limit: int
    ) -> list[Request]:
        """Return the rollouts to sample: all of the first problem, then of the next."""
        self.tries_asked()  # a wrong k is told before anything is sampled
        return [
            Request(
                example.id,
                index,
                prompt,
                seed_of("evaluation", self.seed, example.id, index),
                self.max_new_tokens or limit,
            )
            for example, prompt in zip(examples, prompts, strict=True)
            for index in range(self.tries)
        ]

    @property
    def tries(self) -> int:
        """Return how many answers each problem gets."""
        return 1 if self.greedy else self.samples

    def tries_asked(self) -> list[int]:
        """Return the k of pass@k; raises ConfigError where one exceeds the answers there are."""
        asked = sorted({1, self.tries}) if self.k is None else self.k
        if any(not 1 <= k <= self.tries for k in asked):
            raise ConfigError(
                [
                    Fault(
                        f"evaluation.k={asked}",
                        f"each problem has {self.tries} answers, so k is 1 to {self.tries}: type"
                        f" evaluation.k=null or evaluation.samples={max(asked)}",
                    )
                ]
            )
        return asked

    def measure(self, answers: Answers) -> Result:
        """Return metrics with intervals, outcome counts, and one record a sample."""
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
        if tries > 1:
            columns["out_of_reach"] = unreached(correct).astype(np.float64)
        columns["length"] = lengths.reshape(shape).mean(axis=1)
        columns["truncated"] = cut.reshape(shape).mean(axis=1)
        random = generator("bootstrap", self.seed)
        estimates = bootstrap(np.stack(list(columns.values()), axis=1), self.bootstrap, random)
        metrics = {
            name: estimate.as_json() for name, estimate in zip(columns, estimates, strict=True)
        }
        if answers.loss is not None:
            metrics["loss"] = self._loss(answers.loss.losses, answers.loss.tokens)
        metrics |= self._changes(answers, correct)
        counts = Counter(verdict.outcome for verdict in answers.verdicts)
        result = {
            "metrics": metrics,
            "outcomes": {str(outcome): counts[outcome] for outcome in Outcome},
            "problems": shape[0],
            "samples": tries,
            "k": list(asked),
            "out_of_reach_below": unreached_bound(tries),
            "settings": self._settings(answers),
        }
        return Result(result, _records(answers, tries))

    def _changes(self, answers: Answers, correct: np.ndarray) -> dict[str, dict[str, float]]:
        """Return the change from the base model in bins of how hard it found the problems."""
        if self.base is None:
            return {}
        base = read_rates(Path(self.base).expanduser())
        rates = correct.mean(axis=1).tolist()
        now = {e.id: rate for e, rate in zip(answers.examples, rates, strict=True)}
        strata = by_difficulty(base, now, resamples=self.bootstrap, seed=self.seed)
        if not strata:
            raise DataError(
                f"evaluation.base={self.base}: it was measured on none of these {len(now)} problems"
            )
        return {stratum.name: stratum.change.as_json() for stratum in strata}

    def _loss(self, losses: np.ndarray, tokens: np.ndarray) -> dict[str, float]:
        """Return the mean loss of a token, with an interval over demonstrations."""
        # A ratio of sums: both are resampled together, then divided.
        value = float(losses.sum() / tokens.sum())
        if self.bootstrap == 0:
            return {"value": value, "low": value, "high": value}
        count = len(losses)
        random = generator("bootstrap loss", self.seed)
        drawn = random.multinomial(count, np.full(count, 1 / count), size=self.bootstrap)
        low, high = np.quantile((drawn @ losses) / (drawn @ tokens), [0.025, 0.975])
        return {"value": value, "low": float(low), "high": float(high)}

    def _settings(self, answers: Answers) -> dict[str, Any]:
        settings: dict[str, Any] = {
            "temperature": 0.0 if self.greedy else self.temperature,
            "max_new_tokens": answers.max_new_tokens,
            "seed": self.seed,
            "bootstrap": self.bootstrap,
        }
        if answers.loss is not None:
            settings["demonstrations"] = len(answers.loss.losses)
            settings["demonstrations_left_out"] = answers.loss.left_out
        return settings


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


def _records(answers: Answers, tries: int) -> list[dict[str, Any]]:
    records: list[dict[str, Any]] = []
    for place, (sampled, verdict) in enumerate(zip(answers.sampled, answers.verdicts, strict=True)):
        example = answers.examples[place // tries]
        record: dict[str, Any] = {
            "id": example.id,
            "index": place % tries,
            "prompt": example.prompt,
            "response": answers.texts[place],
            "answer": example.columns.get("answer"),
            "outcome": str(verdict.outcome),
            "extracted": verdict.extracted,
            "parts": dict(verdict.parts),
            "stop_reason": str(sampled.stop_reason),
            "length": len(sampled.tokens),
        }
        if verdict.detail is not None:
            record["detail"] = verdict.detail
        records.append(record)
    return records


def correct_by_problem(records: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    """Return problem id → share of its samples that are right, for pairing two evaluations."""
    counts: dict[str, list[int]] = {}
    for record in records:
        counts.setdefault(record["id"], []).append(record["outcome"] == Outcome.CORRECT)
    return {name: sum(right) / len(right) for name, right in counts.items()}
