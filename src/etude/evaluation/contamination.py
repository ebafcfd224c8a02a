"""How likely it is that a model was trained on a problem, from two answers to it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from etude.component import component, option
from etude.evaluation import detectors
from etude.evaluation.detectors import (
    DIRECTIONS,
    TokenStatistics,
    detection,
    token_statistics,
)
from etude.evaluation.interface import Answers, Result
from etude.evaluation.kind import Evaluation
from etude.evaluation.own_metrics import result_of
from etude.evaluation.reworded import reworded
from etude.rows import Example, StopReason

if TYPE_CHECKING:
    from etude.evaluation.teacher_forced import TokenLogprobs
    from etude.evaluation.view import View

_AGAIN = (
    "{prompt}\n\nHere is one answer to this:\n{answer}\n\nNow answer in another way: follow a "
    "different line of reasoning or use another method, and do not repeat the steps above."
)
_BLIND = "{prompt}\n\nSolve this by a method that few people would think of."
_NOISE = (
    "It has rained since Tuesday, and the ferry to the island left late again.\n\n{prompt}\n\n"
    "The bakery on the corner closes at six."
)

#: Tokens kept free beside the shown answer for what is written around it.
_AROUND = 50


@component(source="arXiv 2510.09259")
@dataclass(frozen=True)
class Contamination(Evaluation):
    """Scores each held-out problem for how likely it was trained on by RL: self-critique.

    The model answers, then is shown its answer and asked for another way. A policy that collapsed
    onto one path follows it again, so the entropies of its tokens look alike: their cosine, times
    the shorter length over the longer. Where ``members`` or ``member_column`` say which problems
    were trained on, each detector's area under the ROC curve is told as well. The model reads its
    greedy answers again for the log-probs of the likeliest tokens.
    """

    reads: ClassVar[tuple[str, ...]] = ("data_mix", "sources", "verifier", "rollout")

    members: list[str] = option(
        [],
        "how the ids of problems begin that were trained on (gsm8k:train, or a whole source); "
        "empty: scores alone",
    )
    member_column: str | None = option(
        None, "column that says of each problem whether it was trained on (true, 1); null: none"
    )
    problems: int = option(256, "most held-out problems that are scored", ge=1, le=100_000_000)
    top_k: int | None = option(
        50, "likeliest tokens that an entropy is taken over; null: the whole vocabulary", ge=1
    )
    show_answer: bool = option(True, "show the first answer in the second prompt; false: ablation")
    perturbed: bool = option(
        False, "answer a prompt wrapped in irrelevant text too: detectors perturbed and recall"
    )
    cdd_samples: int = option(
        0, "answers sampled beside the greedy one for the detector cdd; 0: none (10 in the paper)"
    )
    temperature: float = option(0.8, "temperature of those samples", gt=0, le=1000)
    cdd_alpha: float = option(0.05, "edits that count as alike, of the mean length", ge=0, le=1)
    min_k: float = option(0.2, "share of the least likely tokens that min_k looks at", gt=0, le=1)
    max_new_tokens: int | None = option(
        None,
        "tokens an answer may take, the second twice as many; null: rollout.max_new_tokens",
        ge=1,
        le=100_000_000,
    )
    bootstrap: int = option(
        1000, "resamples behind each interval; 0 gives none", ge=0, le=1_000_000
    )
    seed: int = option(0, "draws samples and resamples", ge=0, le=2**63 - 1)

    def detectors(self) -> list[str]:
        """Return the detectors that the options ask for."""
        found = ["self_critique", "perplexity", "min_k", "min_k_plus_plus"]
        found += ["perturbed", "recall"] if self.perturbed else []
        return found + (["cdd"] if self.cdd_samples else [])

    def metric_ranges(self, demonstrated: bool) -> dict[str, tuple[float, float]]:
        """Return the metrics of a result and the least and most that each can be."""
        found = dict.fromkeys(self.detectors(), (-math.inf, math.inf))
        found |= {"entropy": (0.0, math.inf), "entropy_again": (0.0, math.inf)}
        found |= {"truncated": (0.0, 1.0), "collapsed": (0.0, 1.0)}
        if self.members or self.member_column:
            for name in self.detectors():
                for told in ("auc", "tpr_at_5", "f1", "j"):
                    found[f"{name}/{told}"] = (0.0, 1.0)
        return found

    def measure(self, view: View) -> Result:
        """Return mean scores, how well they tell members, and one record a problem."""
        problems = view.problems(self.problems, self.max_new_tokens)
        first = self._greedy(view, problems)
        limit = first.max_new_tokens
        again = self._greedy(view, self._again(view, problems, first), 2 * limit)
        thoughts = [self._thoughts(view, each) for each in (first, again)]
        noisy: list[TokenStatistics] = []
        if self.perturbed:
            wrapped = [_reworded(each, _NOISE, "noise") for each in problems]
            noisy = self._thoughts(view, self._greedy(view, wrapped))
        samples: list[Sequence[int]] = []
        if self.cdd_samples:
            drawn = view.answers(
                problems,
                self.cdd_samples,
                temperature=self.temperature,
                seed=self.seed,
                max_new_tokens=self.max_new_tokens,
            )
            samples = [each.tokens for each in drawn.sampled]
        scores = self.scores(
            thoughts[0], thoughts[1], noisy, [each.tokens for each in first.sampled], samples
        )
        return self._told(problems, first, again, thoughts, scores)

    def scores(
        self,
        first: Sequence[TokenStatistics],
        again: Sequence[TokenStatistics],
        noisy: Sequence[TokenStatistics] = (),
        greedy: Sequence[Sequence[int]] = (),
        samples: Sequence[Sequence[int]] = (),
    ) -> dict[str, list[float]]:
        """Return each detector's score of every problem, nan where it cannot be formed."""
        found = {
            "self_critique": [
                detectors.alike(a.entropies, b.entropies) for a, b in zip(first, again, strict=True)
            ],
            "perplexity": [detectors.perplexity(each) for each in first],
            "min_k": [detectors.min_k(each, self.min_k) for each in first],
            "min_k_plus_plus": [detectors.min_k_plus_plus(each, self.min_k) for each in first],
        }
        if self.perturbed:
            pairs = list(zip(first, noisy, strict=True))
            found["perturbed"] = [detectors.alike(a.entropies, b.entropies) for a, b in pairs]
            found["recall"] = [detectors.recall(a, b) for a, b in pairs]
        if self.cdd_samples:
            n = self.cdd_samples
            found["cdd"] = [
                detectors.cdd(tokens, samples[place * n : (place + 1) * n], self.cdd_alpha)
                for place, tokens in enumerate(greedy)
            ]
        return found

    def _greedy(self, view: View, problems: Sequence[Example], most: int | None = None) -> Answers:
        limit = most or self.max_new_tokens
        return view.answers(problems, temperature=0.0, seed=self.seed, max_new_tokens=limit)

    def _thoughts(self, view: View, answers: Answers) -> list[TokenStatistics]:
        everything = int(view.policy.causal_lm.config.vocab_size)
        return [_statistics(each) for each in view.read(answers, self.top_k or everything)]

    def _again(self, view: View, problems: Sequence[Example], first: Answers) -> list[Example]:
        """Return the problems with the request for another way, the answer cut to the room."""
        asked = []
        for problem, sampled, text in zip(problems, first.sampled, first.texts, strict=True):
            if not self.show_answer:
                asked.append(_reworded(problem, _BLIND, "again"))
                continue
            blank = _reworded(problem, _AGAIN.replace("{answer}", ""), "blank")
            room = view.room(blank, 2 * first.max_new_tokens)
            if room is not None and len(sampled.tokens) > max(0, room - _AROUND):
                text = view.policy.decode(sampled.tokens[: max(0, room - _AROUND)])
            form = _AGAIN.replace("{answer}", text)
            asked.append(_reworded(problem, form, "again"))
        return asked

    def _told(
        self,
        problems: Sequence[Example],
        first: Answers,
        again: Answers,
        thoughts: Sequence[Sequence[TokenStatistics]],
        scores: dict[str, list[float]],
    ) -> Result:
        members = [self._member(each) for each in problems]
        metrics: dict[str, Any] = {}
        told: dict[str, Any] = {}
        for name, values in scores.items():
            known = [each for each in values if math.isfinite(each)]
            if known:
                metrics[name] = known
            if any(each is not None for each in members):
                found = detection(
                    [bool(each) for each in members], [DIRECTIONS[name] * v for v in values]
                )
                told[name] = {k: None if math.isnan(v) else v for k, v in asdict(found).items()}
                shown = {k: getattr(found, k) for k in ("auc", "tpr_at_5", "f1", "j")}
                metrics |= {f"{name}/{k}": v for k, v in shown.items() if math.isfinite(v)}
        for key, each in zip(("entropy", "entropy_again"), thoughts, strict=True):
            means = [float(t.entropies.mean()) for t in each if len(t.entropies)]
            if means:
                metrics[key] = means
        both = [*first.sampled, *again.sampled]
        metrics["truncated"] = [float(s.stop_reason is StopReason.LENGTH) for s in both]
        flat = [
            not a.entropies.any() or not b.entropies.any() for a, b in zip(*thoughts, strict=True)
        ]
        metrics["collapsed"] = [float(each) for each in flat]
        samples = [
            {
                "id": problem.id,
                "prompt": problem.prompt,
                "response": first.texts[place],
                "again": again.texts[place],
                "member": members[place],
                "scores": {
                    name: values[place] if math.isfinite(values[place]) else None
                    for name, values in scores.items()
                },
            }
            for place, problem in enumerate(problems)
        ]
        about = {
            "problems": len(problems),
            "dropped": {n: sum(not math.isfinite(v) for v in each) for n, each in scores.items()},
            "detectors": told,
            "settings": {
                "temperature": 0.0,
                "max_new_tokens": first.max_new_tokens,
                "top_k": self.top_k,
                "seed": self.seed,
            },
        }
        return result_of(
            metrics,
            title="the evaluation contamination",
            resamples=self.bootstrap,
            seed=self.seed,
            samples=samples,
            about=about,
        )

    def _member(self, problem: Example) -> bool | None:
        """Return whether a problem was trained on, None where nothing says so."""
        if self.member_column is not None:
            said = str(problem.columns.get(self.member_column, "")).strip().lower()
            return said in ("1", "1.0", "true", "yes")
        return problem.id.startswith(tuple(self.members)) if self.members else None


def _statistics(read: TokenLogprobs) -> TokenStatistics:
    top = read.top if read.top is not None else np.zeros((0, 1))
    own = np.where(read.logprobs >= (top[:, -1] if len(top) else 0.0), read.logprobs, math.nan)
    return token_statistics(top, own)


def _reworded(problem: Example, form: str, mark: str) -> Example:
    """Return a problem with its last user message in a form, under an id of its own."""
    return reworded(problem, mark, lambda text: form.replace("{prompt}", text))
