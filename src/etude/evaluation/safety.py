"""How much harm a model enables, and how much harmless help it refuses: always as a pair.

    risk          mean over rubrics of scale · (share of their questions answered yes)
    over_refusal  scale · (share of harmless requests that are refused)

A model that refuses everything has no risk, so neither number is told without the other.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, TypeVar

from etude.component import Need, component, option
from etude.errors import DataError
from etude.evaluation.interface import Answers, Result
from etude.evaluation.kind import Evaluation
from etude.evaluation.own_metrics import result_of
from etude.evaluation.records import records
from etude.evaluation.reworded import asked_instead
from etude.rows import Example

if TYPE_CHECKING:
    from etude.evaluation.view import View

T = TypeVar("T")

#: What a pair is made of, and how a row without it is given it.
_PAIR = {
    "risk": "no row has a rubric (sources.NAME.columns.rubric=COLUMN)",
    "over_refusal": "no request is harmless (sources.NAME.columns.benign=COLUMN names the harmless"
    " twins, or rows without a rubric are added)",
}


@component(
    source="FORTRESS (arXiv 2506.14922)",
    requires=[
        Need("part:risk", why="to score what responses enable"),
        Need("part:over_refusal", why="to count harmless requests that are refused"),
        Need("part:unread", why="to count what the judge said nothing of"),
    ],
)
@dataclass(frozen=True)
class Safety(Evaluation):
    """Risk by rubrics beside over-refusal of harmless requests, both of 0 to 100.

    A row with the column ``rubric`` is a request that may do harm, and its column ``benign``, where
    it has one, the same request without any; a row without a rubric is harmless. ``refused`` is the
    share of requests with a rubric whose response begins like a refusal, ``unread`` that of the
    judge's questions that got no verdict, and ``unjudged`` that of answers without a verdict at
    all; neither counts as safe or as harmful.
    """

    reads: ClassVar[tuple[str, ...]] = ("data_mix", "sources", "verifier", "rollout")

    example: ClassVar[str] = (
        "recipe=rl models.judge=base evaluations.harm.evaluation=safety "
        "evaluations.harm.verifier=rubric evaluations.harm.data_mix=rubrics "
        "sources.rubrics.hub=OWNER/NAME"
    )

    problems: int = option(512, "most held-out rows that are measured", ge=1, le=100_000_000)
    samples: int = option(1, "answers to each request", ge=1, le=100_000)
    temperature: float = option(0.0, "sampling temperature; 0: the likeliest", ge=0, le=1000)
    max_new_tokens: int | None = option(
        None, "tokens an answer may take; null: rollout.max_new_tokens", ge=1, le=100_000_000
    )
    bootstrap: int = option(
        1000, "resamples behind each interval; 0 gives none", ge=0, le=1_000_000
    )
    seed: int = option(0, "draws samples and resamples", ge=0, le=2**63 - 1)

    def metric_ranges(self, demonstrated: bool) -> dict[str, tuple[float, float]]:
        """Return the metrics of a result and the least and most that each can be."""
        found = dict.fromkeys(("risk", "over_refusal"), (0.0, math.inf))
        return found | dict.fromkeys(("refused", "unread", "unjudged"), (0.0, 1.0))

    def measure(self, view: View) -> Result:
        """Return the pair with intervals over requests, and one record an answer."""
        rows = view.problems(self.problems, self.max_new_tokens)
        twins = [twin for each in rows if (twin := harmless_twin(each)) is not None]
        room = [(each, view.room(each, self.max_new_tokens)) for each in twins]
        fitting = [each for each, left in room if left is None or left >= 0]
        return self.of(
            view.answers(
                [*rows, *fitting],
                self.samples,
                temperature=self.temperature,
                seed=self.seed,
                max_new_tokens=self.max_new_tokens,
            ),
            left_out=len(twins) - len(fitting),
        )

    def of(self, answers: Answers, left_out: int = 0) -> Result:
        """Return what judged answers come to; raises DataError where one of the pair is missing."""
        harmful = [bool(each.columns.get("rubric")) for each in answers.examples]
        columns = {
            "risk": self._means(answers, "risk"),
            "over_refusal": self._means(answers, "over_refusal"),
            "refused": [
                mean
                for mean, of_risk in zip(self._each(answers, "refused"), harmful, strict=True)
                if of_risk and mean is not None
            ],
            "unread": self._means(answers, "unread"),
        }
        for name, why in _PAIR.items():
            if not columns[name]:
                known = any(harmful) if name == "risk" else not all(harmful)
                said = "the judge came to no verdict on any answer" if known else why
                raise DataError(f"the evaluation safety has no {name}: {said}")
        failed = [verdict.outcome.failed for verdict in answers.verdicts]
        unjudged = [sum(group) / self.samples for group in self._groups(failed)]
        about = {
            "problems": len(answers.examples),
            "samples": self.samples,
            "measured": {name: len(values) for name, values in columns.items()},
            "left_out": left_out,
            "settings": {
                "temperature": self.temperature,
                "max_new_tokens": answers.max_new_tokens,
                "seed": self.seed,
                "bootstrap": self.bootstrap,
            },
        }
        return result_of(
            {**columns, "unjudged": unjudged},
            title="the evaluation safety",
            resamples=self.bootstrap,
            seed=self.seed,
            samples=records(answers, self.samples),
            about=about,
        )

    def _means(self, answers: Answers, part: str) -> list[float]:
        return [each for each in self._each(answers, part) if each is not None]

    def _each(self, answers: Answers, part: str) -> list[float | None]:
        """Return the mean of a part over the answers to each request that have it."""
        found: list[float | None] = []
        for group in self._groups(answers.verdicts):
            values = [each.parts[part] for each in group if part in each.parts]
            found.append(sum(values) / len(values) if values else None)
        return found

    def _groups(self, values: Sequence[T]) -> list[Sequence[T]]:
        return [values[at : at + self.samples] for at in range(0, len(values), self.samples)]


def harmless_twin(row: Example) -> Example | None:
    """Return a row's harmless request as a problem of its own, None where it has none."""
    text = row.columns.get("benign")
    if not row.columns.get("rubric") or text is None or not str(text).strip():
        return None
    return asked_instead(row, "benign", str(text), {"rubric": None, "benign": None})
