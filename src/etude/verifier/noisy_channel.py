"""Rewards of a verifier that errs, corrected for how often it does (arXiv 2510.00915).

What a verifier says, R~, is what is true, R*, through a channel: it accepts a wrong answer at the
rate ρ0 (false positives) and rejects a right one at the rate ρ1 (false negatives). With ρ0+ρ1 < 1:

    backward   R = (R~ − ρ0) / (1 − ρ0 − ρ1)      E[R | R*] = R*
    forward    R = R~ − 1 + ρ1                    E[R·∇log π] = (1 − ρ0 − ρ1) · the clean gradient

Both are lines in R~, so that a z-score among the answers to a prompt takes them back: backward goes
with a baseline that nothing divides, forward with the reward itself.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, ClassVar

from etude.component import AS_GIVEN, SCALE_FREE, Need, Rule, component, option, slot
from etude.errors import DataError, VerifierError
from etude.feedback import RowRecord, StepFeedback
from etude.live import Tree
from etude.randomness import seed_of
from etude.rows import POLICY, Candidate, Outcome, Verdict
from etude.verifier.false_negatives import FalseNegatives
from etude.verifier.host import Host
from etude.verifier.opened import Judging, OpenedVerifier
from etude.verifier.readable import Readable
from etude.verifying.rates import read_rates

#: The key of the estimate over the rows of all sources.
ALL = ""

_WITHOUT = (
    "the correction is a line in the reward, and dividing by how much rewards differ takes it back "
    "(objective.advantage.scale=none, objective=dr_grpo, rloo and reinforce keep it)"
)


@component(
    source="arXiv 2510.00915",
    requires=[
        Need(
            AS_GIVEN,
            when="correction == 'forward'",
            why="because the weights of the forward correction take no baseline",
        )
    ],
    provides=[
        "part:observed",
        Need("part:overturned", when="appeals != 'none'"),
    ],
    conflicts=[Need(SCALE_FREE, when="correction != 'none'", why=_WITHOUT)],
)
@dataclass(frozen=True)
class NoisyChannel(OpenedVerifier):
    """What another verifier says, corrected in training for how often it errs.

    One part is corrected and the part ``observed`` keeps what the verifier said; measurements are
    those of the verifier itself. With ``appeals`` a second verifier looks at rejections again
    (``overturned``), and the false-negative rate is what the steps before have shown.
    """

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "false_positive + false_negative < 1",
            "is {false_positive} beside {path}.false_negative={false_negative}: together 1 or more,"
            " so that a yes says nothing of the answer, or the opposite.",
        ),
        Rule(
            "rates_file == null or (false_positive == 0.1 and false_negative == 0.2)",
            "is {rates_file}, and {path}.false_positive={false_positive} or "
            "{path}.false_negative={false_negative} is typed beside it: one of the two.",
            key="rates_file",
        ),
        Rule(
            "appeals == 'none' or appeal != null",
            "is {appeals}, and nobody hears appeals: {path}.appeal=generative.",
            key="appeals",
        ),
        Rule(
            "appeals != 'none' or appeal == null",
            "is none, so {path}.appeal is never asked: {path}.appeals=estimate_only.",
            key="appeals",
        ),
    )
    example: ClassVar[str] = "objective=dr_grpo verifier=noisy_channel"

    rule: Readable = slot("number", "the verifier that errs", group="verifier")
    part: str = option("accuracy", "the part of it that is corrected", form="part")
    correction: str = option(
        "backward",
        "backward (an unbiased reward) | forward (weights that need no false-positive rate) | none",
        choices=("backward", "forward", "none"),
    )
    false_positive: float = option(
        0.1, "ρ0, how often a wrong answer is accepted (paper's synthetic noise)", ge=0, lt=1
    )
    false_negative: float = option(
        0.2, "ρ1, how often a right one is rejected, until appeals tell", ge=0, lt=1
    )
    rates_file: str | None = option(
        None,
        "what etude verify --json wrote of it and labelled answers, whose rates take the place of "
        "both; null: they are typed",
        form="rates file",
    )
    false_positive_of: dict[str, float] = option(
        {}, "ρ0 of the rows of single sources: source → rate", ge=0, lt=1
    )
    false_negative_of: dict[str, float] = option(
        {}, "ρ1 of the rows of single sources: source → rate", ge=0, lt=1
    )
    min_denominator: float = option(
        0.1, "the least that the backward correction divides by", ge=0, le=1
    )
    scale: float = option(1.0, "what the corrected part is divided by", gt=0)
    appeal: Readable | None = slot(
        "", "what looks at rejections again (generative, a slower verifier)", group="verifier"
    )
    appeals: str = option(
        "none",
        "none | estimate_only (they move the false-negative rate) | overturn (and count as right)",
        choices=("none", "estimate_only", "overturn"),
    )
    audited: float = option(1.0, "q, the share of rejections that are looked at", gt=0, le=1)
    decay: float = option(0.9, "how much of its running means a step keeps", ge=0, lt=1)
    prior_positives: float = option(0.0, "acceptances that the estimate begins with", ge=0)
    prior_negatives: float = option(0.0, "false negatives that it begins with", ge=0)
    by_source: bool = option(False, "estimate the false-negative rate of each source by itself")

    @cached_property
    def usual(self) -> tuple[float, float]:
        """Return (ρ0, ρ1) of rows whose source has none of its own: measured, or as typed.

        Raises VerifierError where the file of measured ones cannot be read.
        """
        if self.rates_file is None:
            return self.false_positive, self.false_negative
        try:
            measured = read_rates(self.rates_file)
        except DataError as problem:
            raise VerifierError(f"verifier noisy_channel.rates_file {problem}") from problem
        return measured.false_positive, measured.false_negative

    def rates(self, source: str) -> tuple[float, float]:
        """Return (ρ0, ρ1) of a source's rows as they are configured.

        Raises VerifierError where they sum to 1 or more.
        """
        false_positive = self.false_positive_of.get(source, self.usual[0])
        false_negative = self.false_negative_of.get(source, self.usual[1])
        if false_positive + false_negative >= 1:
            raise VerifierError(
                f"the error rates of the rows of {source} are {false_positive:g} and"
                f" {false_negative:g}, together 1 or more: a yes says nothing of them"
            )
        return false_positive, false_negative

    def corrected(self, observed: float, false_positive: float, false_negative: float) -> float:
        """Return what an observed reward counts under error rates (ρ0, ρ1)."""
        if self.correction == "backward":
            kept = max(1 - false_positive - false_negative, self.min_denominator)
            observed = (observed - false_positive) / kept
        elif self.correction == "forward":
            observed = observed - 1 + false_negative
        return observed / self.scale

    def open(self, host: Host) -> Correcting:
        """Open the verifier that errs and the one that hears appeals.

        Raises VerifierError for error rates that correct nothing, or of a source that there is not.
        """
        self.rates("rows without rates of their own")
        there = getattr(host, "sources", None)
        for source in (*self.false_positive_of, *self.false_negative_of):
            self.rates(source)
            if there is not None and source not in there:
                raise VerifierError(
                    f"verifier noisy_channel has error rates of the rows of '{source}', and the"
                    f" sources are {', '.join(sorted(there))}"
                )
        appeal = None if self.appeal is None else host.open(self.appeal)
        return Correcting(self, host.open(self.rule), appeal)


class Correcting(Judging):
    """Corrects by rates that are given, or that the appeals of the steps before have shown."""

    def __init__(self, config: NoisyChannel, rule: Any, appeal: Any) -> None:
        self.config = config
        self._rule = self.first = rule
        self._appeal = appeal
        self.estimates: dict[str, FalseNegatives] = {}
        self._step: dict[str, float] = {}

    def judge(self, candidates: Sequence[Candidate]) -> list[Verdict]:
        """Return the verdicts of the rule; in training one part of each is corrected."""
        found: list[Verdict] = self._rule.verify(candidates)
        overturned = self._appealed(candidates, found)
        return [
            self._corrected(verdict, each, overturned.get(place))
            for place, (verdict, each) in enumerate(zip(found, candidates, strict=True))
        ]

    def _corrected(self, verdict: Verdict, each: Candidate, overturned: bool | None) -> Verdict:
        config = self.config
        if each.evaluation or config.part not in verdict.parts:
            return verdict
        observed = verdict.parts[config.part]
        told = {"observed": observed}
        if overturned is not None:
            told["overturned"] = float(overturned)
            if overturned and config.appeals == "overturn":
                observed = 1.0
                verdict = replace(verdict, outcome=Outcome.CORRECT, detail="right on appeal")
        value = config.corrected(observed, *self.rates(each.id.partition(":")[0]))
        return replace(verdict, parts={**verdict.parts, **told, config.part: value})

    def _appealed(
        self, candidates: Sequence[Candidate], found: Sequence[Verdict]
    ) -> dict[int, bool]:
        """Return which of the rejections that are audited a second verifier finds right."""
        config = self.config
        if self._appeal is None:
            return {}
        places = [
            place
            for place, (each, verdict) in enumerate(zip(candidates, found, strict=True))
            if not each.evaluation
            and verdict.outcome in (Outcome.WRONG, Outcome.NO_ANSWER)
            and not verdict.exhausted
            and seed_of("appeal", each.seed) < config.audited * 2**64
        ]
        heard = self._appeal.verify([candidates[place] for place in places])
        return {
            place: verdict.outcome is Outcome.CORRECT
            for place, verdict in zip(places, heard, strict=True)
            if not verdict.outcome.failed
        }

    def rates(self, source: str) -> tuple[float, float]:
        """Return (ρ0, ρ1) of a source's rows as they stand: given, or as appeals have shown."""
        false_positive, false_negative = self.config.rates(source)
        known = self.estimates.get(source if self.config.by_source else ALL)
        if known is not None and known.rate is not None:
            left = 1.0
            if self.config.appeals == "overturn":
                left -= self.config.audited
            false_negative = min(known.rate * left, 1 - false_positive - 1e-6)
        return false_positive, false_negative

    def observe(self, feedback: StepFeedback) -> None:
        """Move the estimates by what the rows of a step, of all ranks, have shown."""
        rows = [r for r in feedback.rows if "observed" in r.parts and r.role == POLICY]
        if self._appeal is not None:
            by_key: dict[str, list[RowRecord]] = defaultdict(list)
            for row in rows:
                by_key[row.source if self.config.by_source else ALL].append(row)
            for key, own in sorted(by_key.items()):
                self._estimate(key).count(
                    sum(row.parts["observed"] for row in own),
                    sum(row.parts.get("overturned", 0.0) for row in own),
                    self.config.audited,
                )
        self._step = self._numbers(rows)

    def _estimate(self, key: str) -> FalseNegatives:
        config = self.config
        made = FalseNegatives(config.decay, config.prior_positives, config.prior_negatives)
        return self.estimates.setdefault(key, made)

    def _numbers(self, rows: Sequence[RowRecord]) -> dict[str, float]:
        count = max(1, len(rows))
        heard = [row.parts["overturned"] for row in rows if "overturned" in row.parts]
        values = [row.parts[self.config.part] for row in rows]
        found = {
            "accepted": sum(row.parts["observed"] for row in rows) / count,
            "coefficient": sum(values) / count,
        }
        if self._appeal is not None:
            found["audited"] = len(heard) / count
            found["overturned"] = sum(heard) / max(1, len(heard))
        return found

    def metrics(self) -> dict[str, float]:
        """Return the rates as they stand and what the step's rows came to."""
        found = dict(self._step)
        for key, estimate in sorted(self.estimates.items()):
            name = f"/{key}" if key else ""
            if estimate.rate is not None:
                found[f"false_negative{name}"] = estimate.rate
                found[f"false_negative_of_step{name}"] = estimate.latest
        return found

    def state_dict(self) -> Tree:
        """Return the estimates and the numbers of the last step."""
        estimates = {key: each.state_dict() for key, each in self.estimates.items()}
        return {"estimates": estimates, "step": self._step}

    def load_state_dict(self, state: Tree) -> None:
        """Restore the estimates."""
        given: Mapping[str, Any] = state["estimates"]
        for key, each in given.items():
            self._estimate(key).load_state_dict(each)
        self._step = dict(state["step"])
