"""What a model lacks where it fails: the plan, the facts, or the execution (arXiv 2506.04723).

The same problems are answered alone, with a plan beside them, with the facts that they need, and
cut into subproblems that are asked one after the other:

    plan_change       accuracy with the plan − without, over problems that have one
    knowledge_change  accuracy with the facts − without
    subproblems       mean share of a problem's subproblems that are solved
    all_subproblems   Π_j p_j, the chance that all of them are
    parts_alone       Π_j p_j · (1 − p)   all subproblems solved, and the problem not
    whole_alone       (1 − Π_j p_j) · p   the problem solved, and not all subproblems

p is the share of right answers to a problem and p_j that to its j-th subproblem, so that with one
answer each these are the shares of problems. Answers that the verifier came to no verdict on are in
none of them.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from etude.component import Need, Rule, component, option
from etude.data_mix.template import fill
from etude.errors import DataError
from etude.evaluation.interface import Answers, Result
from etude.evaluation.kind import Evaluation
from etude.evaluation.own_metrics import result_of
from etude.evaluation.records import records
from etude.evaluation.reworded import asked_instead
from etude.rows import Example, Outcome, Verdict

if TYPE_CHECKING:
    from etude.evaluation.view import View

#: Problem id → the share of its answers that are right.
Rates = dict[str, float]


@component(
    source="arXiv 2506.04723",
    requires=[
        Need("column:plan", when="plan == true", why="to show the way"),
        Need("column:knowledge", when="knowledge == true", why="to show the facts"),
        Need("column:subproblems", when="subproblems == true", why="to ask them one by one"),
    ],
)
@dataclass(frozen=True)
class Dissection(Evaluation):
    """Accuracy alone, with a plan, with the facts that are needed, and on the subproblems in order.

    Columns of a row: ``plan`` and ``knowledge`` are texts, ``subproblems`` a list of questions with
    their answers (``{question, answer}``, or pairs). A row without one is in no number of it. Of
    rows with a ``level`` all is also told level by level.
    """

    reads: ClassVar[tuple[str, ...]] = ("data_mix", "sources", "verifier", "rollout")

    example: ClassVar[str] = (
        "recipe=gsm8k evaluations.why.evaluation=dissection evaluations.why.evaluation.plan=false "
        "evaluations.why.evaluation.subproblems=false sources.gsm8k.columns.knowledge=question"
    )

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "plan == true or knowledge == true or subproblems == true",
            "is false, and so are knowledge and subproblems: that is evaluation=pass_at_k.",
            key="plan",
        ),
    )

    plan: bool = option(True, "answer with the column plan beside the problem, too")
    knowledge: bool = option(True, "answer with the column knowledge beside the problem, too")
    subproblems: bool = option(True, "answer the column subproblems one after the other, too")
    plan_template: str = option(
        "{prompt}\n\nFollow this plan:\n{plan}",
        "what is asked in the place of {prompt} with a plan",
        escapes=True,
    )
    knowledge_template: str = option(
        "{prompt}\n\nThese facts may be used:\n{knowledge}",
        "what is asked in the place of {prompt} with the facts",
        escapes=True,
    )
    subproblem_template: str = option(
        "{prompt}\n\n{earlier}Answer this part alone: {question}",
        "what is asked of a subproblem; {earlier} are those before it, each on a line",
        escapes=True,
    )
    earlier: str = option(
        "answers",
        "what a subproblem is asked with of those before it: right answers, questions, nothing",
        choices=("answers", "questions", "nothing"),
    )
    problems: int = option(256, "most held-out problems that are measured", ge=1, le=100_000_000)
    samples: int = option(1, "answers to each, in each way", ge=1, le=100_000)
    temperature: float = option(0.0, "sampling temperature; 0: the likeliest", ge=0, le=1000)
    max_new_tokens: int | None = option(
        None, "tokens an answer may take; null: rollout.max_new_tokens", ge=1, le=100_000_000
    )
    bootstrap: int = option(
        1000, "resamples behind each interval; 0 gives none", ge=0, le=1_000_000
    )
    seed: int = option(0, "draws samples and resamples", ge=0, le=2**63 - 1)

    def metric_ranges(self, demonstrated: bool) -> dict[str, tuple[float, float]]:
        """Return the metrics of a result, levels left out, and the least and most of each."""
        found = {"accuracy": (0.0, 1.0)}
        for name, chosen in (("plan", self.plan), ("knowledge", self.knowledge)):
            if chosen:
                found |= {name: (0.0, 1.0), f"{name}_change": (-1.0, 1.0)}
        if self.subproblems:
            every = ("subproblems", "all_subproblems", "parts_alone", "whole_alone")
            found |= dict.fromkeys(every, (0.0, 1.0))
        return found

    def measure(self, view: View) -> Result:
        """Return the numbers with intervals over problems, and one record an answer."""
        problems = view.problems(self.problems, self.max_new_tokens)
        ways: dict[str, list[Example]] = {"alone": problems}
        if self.plan:
            ways["plan"] = [*self._beside(problems, "plan", self.plan_template)]
        if self.knowledge:
            ways["knowledge"] = [*self._beside(problems, "knowledge", self.knowledge_template)]
        if self.subproblems:
            ways["subproblems"] = [part for each in problems for part in self._parts(each)]
        left_out: dict[str, int] = {}
        rates: dict[str, Rates] = {}
        samples: list[dict[str, Any]] = []
        for way, asked in ways.items():
            fitting = self._fitting(view, way, asked)
            left_out[way] = len(asked) - len(fitting)
            if not fitting:
                raise DataError(
                    f"the evaluation dissection: no held-out row has the column {way}, or none is "
                    f"short enough with it; evaluation.{way}=false leaves it out"
                )
            answers = self._answers(view, fitting)
            rates[way] = self._rates(answers)
            samples += [
                {**each, "way": way, **_about(answers.examples[at // self.samples], way)}
                for at, each in enumerate(records(answers, self.samples))
            ]
        if not rates["alone"]:
            raise DataError("the evaluation dissection: no answer to a problem was judged")
        parts: dict[str, list[str]] = {}
        for each in ways.get("subproblems", ()):
            parts.setdefault(_of(each.id, "subproblems"), []).append(each.id)
        levels = {each.id: each.columns.get("level") for each in problems}
        metrics = by_level(by_problem(rates, parts), levels)
        settings = {"temperature": self.temperature, "seed": self.seed, "bootstrap": self.bootstrap}
        about = {
            "problems": len(problems),
            "samples": self.samples,
            "left_out": left_out,
            "settings": settings,
        }
        return result_of(
            metrics,
            title="the evaluation dissection",
            resamples=self.bootstrap,
            seed=self.seed,
            samples=samples,
            about=about,
        )

    def _answers(self, view: View, asked: Sequence[Example]) -> Answers:
        return view.answers(
            asked,
            self.samples,
            temperature=self.temperature,
            seed=self.seed,
            max_new_tokens=self.max_new_tokens,
        )

    def _fitting(self, view: View, way: str, asked: Sequence[Example]) -> list[Example]:
        """Return what leaves room for an answer, and of subproblems all of a problem or none."""
        room = {each.id: view.room(each, self.max_new_tokens) for each in asked}
        long = {_of(name, way) for name, left in room.items() if left is not None and left < 0}
        return [each for each in asked if _of(each.id, way) not in long]

    def _rates(self, answers: Answers) -> Rates:
        """Return the share of right answers to each of what was asked, of those with a verdict."""
        found = {}
        for place, each in enumerate(answers.examples):
            said = answers.verdicts[place * self.samples : (place + 1) * self.samples]
            if (right := _right(said)) is not None:
                found[each.id] = right
        return found

    def _beside(self, problems: Sequence[Example], name: str, template: str) -> Iterator[Example]:
        """Yield the problems that have a column, with it beside them."""
        for each in problems:
            text = each.columns.get(name)
            if text is not None and str(text).strip():
                where = f"evaluation.{name}_template"
                yield asked_instead(each, name, fill(template, each.columns, where))

    def _parts(self, problem: Example) -> Iterator[Example]:
        """Yield the subproblems of a problem, each with what is shown of those before it."""
        before: list[str] = []
        for place, (question, answer) in enumerate(subproblems_of(problem)):
            told = {"question": question, "earlier": "".join(before)}
            where = "evaluation.subproblem_template"
            text = fill(self.subproblem_template, {**problem.columns, **told}, where)
            columns = {"answer": answer, "subproblem": place}
            yield asked_instead(problem, f"part{place}", text, columns)
            if self.earlier != "nothing":
                end = f" {answer}" if self.earlier == "answers" else ""
                before.append(f"{question}{end}\n")


def subproblems_of(problem: Example) -> list[tuple[str, str]]:
    """Return (question, answer) of each subproblem of a row, none where it has none.

    Raises DataError where the column is no list of them.
    """
    given = problem.columns.get("subproblems") or []
    found = []
    for each in given if isinstance(given, (list, tuple)) else [None]:
        pair: Any = each
        if isinstance(each, Mapping):
            pair = [each.get("question"), each.get("answer")]
        if not isinstance(pair, (list, tuple)) or len(pair) != 2 or None in pair:
            raise DataError(
                f"row {problem.id}: the column subproblems is {str(given)[:80]!r}; it is a list of "
                "{question, answer}, or of pairs"
            )
        found.append((str(pair[0]), str(pair[1])))
    return found


def by_problem(rates: Mapping[str, Rates], parts: Mapping[str, Sequence[str]]) -> dict[str, Rates]:
    """Return every number of every problem that has it.

    ``rates`` are those of what was asked in each way: ``alone``, ``plan``, ``knowledge`` and
    ``subproblems``. ``parts`` are the ids of the subproblems of each problem; a problem whose
    subproblems have not all a verdict is in no number of them.
    """
    alone = rates["alone"]
    found: dict[str, Rates] = {"accuracy": dict(alone)}
    for way in ("plan", "knowledge"):
        if way in rates:
            with_it = {_of(name, way): rate for name, rate in rates[way].items()}
            changes = {of: rate - alone[of] for of, rate in with_it.items() if of in alone}
            found |= {way: with_it, f"{way}_change": changes}
    solved = rates.get("subproblems", {})
    for of, names in parts.items():
        each = [solved[name] for name in names if name in solved]
        if not each or len(each) < len(names):
            continue
        every = math.prod(each)
        told = {"subproblems": sum(each) / len(each), "all_subproblems": every}
        if of in alone:
            told |= {"parts_alone": every * (1 - alone[of]), "whole_alone": (1 - every) * alone[of]}
        for name, value in told.items():
            found.setdefault(name, {})[of] = value
    return found


def by_level(found: Mapping[str, Rates], levels: Mapping[str, Any]) -> dict[str, list[float]]:
    """Return every number as a list with one value a problem, then those of each level alone."""
    metrics = {name: [*values.values()] for name, values in found.items() if values}
    known = {str(each) for each in levels.values() if each is not None}
    for level in sorted(known, key=lambda each: (len(each), each)):
        for name, values in found.items():
            some = [rate for of, rate in values.items() if str(levels.get(of)) == level]
            if some:
                metrics[f"{name}/level_{level}"] = some
    return metrics


def _of(name: str, way: str) -> str:
    """Return the problem that something asked belongs to."""
    return name if way == "alone" else name.rpartition("#")[0]


def _right(verdicts: Sequence[Verdict]) -> float | None:
    judged = [each.outcome is Outcome.CORRECT for each in verdicts if not each.outcome.failed]
    return sum(judged) / len(judged) if judged else None


def _about(asked: Example, way: str) -> dict[str, Any]:
    """Return what a record says of the problem that an answer belongs to."""
    level = asked.columns.get("level")
    more = {} if level is None else {"level": level}
    return {"problem": _of(asked.id, way), **more}
