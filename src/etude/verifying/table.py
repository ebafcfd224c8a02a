"""What a verifier made of answers: outcomes, its agreement with labels, and what it took."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from etude.rows import Outcome, Verdict
from etude.verifier.failures import failures
from etude.verifying.answers import Answer

#: The quantile of the normal distribution behind intervals of 95 %.
_Z = 1.959963984540054

#: Rows that a person is shown of each kind.
_SHOWN = 10
_SLOWEST = 5

Judged = tuple[Answer, Verdict]


@dataclass(frozen=True)
class Rate:
    """A share of ``n`` rows, with an interval of 95 %; of none it may be anything."""

    share: float | None
    low: float
    high: float
    n: int

    @classmethod
    def of(cls, count: int, n: int) -> Rate:
        """Return ``count`` of ``n`` with Wilson's score interval.

        With p = count / n and z the normal quantile it is
        (p + z²/2n ± z √(p(1 − p)/n + z²/4n²)) / (1 + z²/n) (Wilson, 1927, JASA 22).
        """
        if n == 0:
            return cls(None, 0.0, 1.0, 0)
        share, z2 = count / n, _Z * _Z
        middle = share + z2 / (2 * n)
        half = _Z * math.sqrt(share * (1 - share) / n + z2 / (4 * n * n))
        scale = 1 + z2 / n
        # Of none and of all the interval ends there, whatever rounding makes of it.
        low = 0.0 if count == 0 else (middle - half) / scale
        high = 1.0 if count == n else (middle + half) / scale
        return cls(share, low, high, n)

    def as_json(self) -> dict[str, float | int | None]:
        """Return it as programs read it."""
        return {"share": self.share, "low": self.low, "high": self.high, "n": self.n}


@dataclass(frozen=True)
class Table:
    """The whole of what was judged, as a person and as a program reads it.

    ``label`` is the column that the verdicts are compared with; without one there are no rates. A
    partly right answer is taken for one that is not right.
    """

    judged: Sequence[Judged]
    label: str | None = None

    @property
    def compared(self) -> list[Judged]:
        """Return the rows with a label that the verifier came to a verdict on."""
        return [(a, v) for a, v in self.judged if a.label is not None and not v.outcome.failed]

    @property
    def disagreements(self) -> list[Judged]:
        """Return those of them that are labelled otherwise."""
        return [(a, v) for a, v in self.compared if a.label != (v.outcome is Outcome.CORRECT)]

    @property
    def rates(self) -> dict[str, Rate]:
        """Return the share of wrong answers that are taken for right, and of right for wrong."""
        accepted = {True: Counter[bool](), False: Counter[bool]()}
        for answer, verdict in self.compared:
            accepted[bool(answer.label)][verdict.outcome is Outcome.CORRECT] += 1
        wrong, right = accepted[False], accepted[True]
        return {
            "false_positive": Rate.of(wrong[True], wrong.total()),
            "false_negative": Rate.of(right[False], right.total()),
        }

    @property
    def seconds(self) -> dict[str, float]:
        """Return what a row took: in the middle, at the 99th percentile, at most, and all of them.

        These are seconds within a worker, so with several the command itself takes less.
        """
        taken = sorted(v.seconds for _, v in self.judged if v.seconds is not None)
        if not taken:
            return {}
        return {
            "p50": taken[(len(taken) - 1) // 2],
            "p99": taken[math.ceil(0.99 * len(taken)) - 1],
            "max": taken[-1],
            "total": math.fsum(taken),
        }

    @property
    def slowest(self) -> list[Judged]:
        """Return the rows that took longest, the longest first."""
        timed = [(a, v) for a, v in self.judged if v.seconds is not None]
        return sorted(timed, key=lambda pair: -(pair[1].seconds or 0.0))[:_SLOWEST]

    def as_json(self) -> dict[str, Any]:
        """Return ``{rows: [{id, outcome, parts, reason, …}, …], table: …}``."""
        return {"rows": [_row(*pair) for pair in self.judged], "table": self._summary()}

    def _summary(self) -> dict[str, Any]:
        counts = Counter(verdict.outcome for _, verdict in self.judged)
        found: dict[str, Any] = {
            "rows": len(self.judged),
            "outcomes": {outcome.value: counts[outcome] for outcome in Outcome},
            "parts": self._parts(),
            "seconds": self.seconds,
            "slowest": [
                {"line": answer.line, "id": answer.candidate.id, "seconds": verdict.seconds}
                for answer, verdict in self.slowest
            ],
        }
        partial = [v.credit or 0.0 for _, v in self.judged if v.outcome is Outcome.PARTIAL]
        if partial:
            found["partial_share"] = math.fsum(partial) / len(partial)
        asked = [v.tokens for _, v in self.judged if v.tokens is not None]
        if asked:
            found["tokens"] = sum(asked)
        if self.label is not None:
            compared, other = len(self.compared), len(self.disagreements)
            found["label"] = {"column": self.label, "rows": compared, "agree": compared - other}
            found["rates"] = {name: rate.as_json() for name, rate in self.rates.items()}
        return found

    def _parts(self) -> dict[str, float]:
        """Return the mean of every part over the answers that it applies to."""
        found: dict[str, list[float]] = {}
        for _, verdict in self.judged:
            for name, value in verdict.parts.items():
                found.setdefault(name, []).append(value)
        return {name: math.fsum(values) / len(values) for name, values in sorted(found.items())}

    def lines(self) -> Iterator[str]:
        """Yield the lines of the table that a person reads."""
        yield from self._outcomes()
        failed = [verdict for _, verdict in self.judged if verdict.outcome.failed]
        if failed:
            yield f"  the verifier failed on {len(failed):,}: {failures(failed)}"
        parts = ", ".join(f"{name} {value:.4g}" for name, value in self._parts().items())
        if parts:
            yield f"  parts, in the mean: {parts}"
        if self.label is not None:
            yield ""
            yield from self._agreement()
        taken = self.seconds
        if taken:
            yield ""
            yield (
                f"  seconds a row: {taken['p50']:.2g} in the middle, {taken['p99']:.2g} at the 99th"
                f" percentile, {taken['max']:.2g} at most"
            )
            names = ", ".join(f"{_name(a)} ({v.seconds:.2g} s)" for a, v in self.slowest)
            yield f"  slowest: {names}"

    def _outcomes(self) -> Iterator[str]:
        counts = Counter(verdict.outcome for _, verdict in self.judged)
        width = max(len(f"{count:,}") for count in counts.values())
        for outcome in Outcome:
            if counts[outcome]:
                share = counts[outcome] / len(self.judged)
                yield f"  {outcome.value:<10} {counts[outcome]:>{width},}  {share:6.1%}"

    def _agreement(self) -> Iterator[str]:
        compared, other = self.compared, self.disagreements
        unsaid = len(self.judged) - len(compared)
        left_out = f"; {unsaid:,} without a label or a verdict are left out" if unsaid else ""
        agree = f"{len(compared) - len(other):,} of {len(compared):,}"
        yield f"  {agree} agree with {self.label}{left_out}"
        for (name, rate), kind in zip(self.rates.items(), ("wrong", "right"), strict=True):
            told = "no row" if rate.share is None else f"{rate.share:.2%}"
            yield (
                f"  {name.replace('_', ' ')}  {told} [{rate.low:.2%}, {rate.high:.2%}]"
                f" of {rate.n:,} labelled {kind}"
            )
        for answer, verdict in other[:_SHOWN]:
            label = f"labelled {'right' if answer.label else 'wrong'}"
            yield f"    {_name(answer)}: {label}, {verdict.outcome}: {reason(answer, verdict)}"
        if len(other) > _SHOWN:
            yield f"    and {len(other) - _SHOWN:,} others (--json has all)"


def reason(answer: Answer, verdict: Verdict) -> str:
    """Return why an answer was judged as it was, as the verifier says or as its verdict shows."""
    if verdict.detail:
        return verdict.detail
    gold = answer.candidate.columns.get("answer")
    beside = "" if gold is None else f"; the right answer is {_short(gold)}"
    if verdict.extracted is None:
        said = (
            "no answer was found" if verdict.outcome is Outcome.NO_ANSWER else "judged as a whole"
        )
        return f"{said}{beside}"
    return f"read {_short(verdict.extracted)}{beside}"


def _row(answer: Answer, verdict: Verdict) -> dict[str, Any]:
    found: dict[str, Any] = {
        "id": answer.candidate.id,
        "line": answer.line,
        "outcome": verdict.outcome.value,
        "parts": dict(verdict.parts),
        "reason": reason(answer, verdict),
        "extracted": verdict.extracted,
        "seconds": verdict.seconds,
    }
    if verdict.outcome is Outcome.PARTIAL:
        found["share"] = verdict.credit
    if verdict.tokens is not None:
        found["tokens"] = verdict.tokens
    if answer.label is not None:
        found["label"] = answer.label
    return found


def _name(answer: Answer) -> str:
    line, name = f"line {answer.line}", answer.candidate.id
    return line if name == str(answer.line) else f"{line} ({_short(name, quoted=False)})"


def _short(value: Any, quoted: bool = True) -> str:
    text = str(value)
    text = text if len(text) <= 60 else f"{text[:59]}…"
    return repr(text) if quoted else text.replace("\n", " ")
