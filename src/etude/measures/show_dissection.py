"""`etude measure dissection`: what training changed of planning, knowledge and execution."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from etude.cli.frame import Parser, tell
from etude.errors import DataError
from etude.evaluation.dissection import by_problem
from etude.evaluation.statistics import Estimate, paired_difference
from etude.measures.along import finished, right_shares
from etude.measures.table import aligned, number
from etude.printable import in_json

#: What is compared of two models, and what it is called.
NUMBERS = {
    "accuracy": "alone",
    "plan": "with the plan",
    "plan_change": "  what the plan changes",
    "knowledge": "with the facts",
    "knowledge_change": "  what the facts change",
    "subproblems": "subproblems solved",
    "all_subproblems": "all subproblems of a problem",
    "parts_alone": "  all of them, and not the problem",
    "whole_alone": "  the problem, and not all of them",
}

#: Problem → its value of a number.
Values = dict[str, float]


@dataclass(frozen=True)
class Line:
    """One number of two models, over the problems that both were measured on."""

    name: str
    problems: int
    before: float
    after: float
    change: Estimate


def main(words: Sequence[str]) -> int:
    """Set two evaluations of the kind dissection beside each other: … dissection BEFORE AFTER."""
    parser = Parser("etude measure dissection", description=main.__doc__)
    parser.add_argument("before", help="an evaluation: its folder, or its name (base.why-ae57)")
    parser.add_argument("after", help="another, of the same problems")
    parser.add_argument("--json", action="store_true", help="for programs")
    parser.add_argument("--outputs", type=Path, default=Path("outputs"), help="where they lie")
    given = parser.parse_args(list(words))
    outputs = given.outputs.expanduser().absolute()
    read = [_read(each, outputs) for each in (given.before, given.after)]
    (before, levels), (after, _) = read
    found = compared(before, after, levels)
    if given.json:
        content = {
            of: [{**asdict(each), "change": each.change.as_json()} for each in some]
            for of, some in found.items()
        }
        tell(in_json(json.dumps(content, indent=1)))
        return 0
    for line in lines(found):
        tell(line)
    return 0


def compared(
    before: Mapping[str, Values], after: Mapping[str, Values], levels: Mapping[str, str]
) -> dict[str, list[Line]]:
    """Return the lines over all problems (``all``), and those of each level of difficulty.

    Raises DataError where the two share no problem.
    """
    groups: dict[str, set[str] | None] = {"all": None}
    for level in sorted(set(levels.values()), key=lambda each: (len(each), each)):
        groups[f"level {level}"] = {name for name, of in levels.items() if of == level}
    found = {}
    for of, some in groups.items():
        told = [_line(name, before, after, some) for name in NUMBERS]
        found[of] = [each for each in told if each is not None]
    if not found["all"]:
        raise DataError("the two evaluations share no problem")
    return {of: some for of, some in found.items() if some}


def _line(
    name: str,
    before: Mapping[str, Values],
    after: Mapping[str, Values],
    some: set[str] | None,
) -> Line | None:
    one, other = (
        {of: value for of, value in each.get(name, {}).items() if some is None or of in some}
        for each in (before, after)
    )
    shared = one.keys() & other.keys()
    if not shared:
        return None
    was, now = (sum(each[of] for of in shared) / len(shared) for each in (one, other))
    return Line(name, len(shared), was, now, paired_difference(one, other).estimate)


def lines(found: Mapping[str, Sequence[Line]]) -> Iterator[str]:
    """Yield a table for all problems, and one for each level."""
    for of, some in found.items():
        rows = [[f"{of}", "problems", "before", "after", "change", ""]]
        for each in some:
            between = f"[{each.change.low:+.3f}, {each.change.high:+.3f}]"
            numbers = [number(each.before), number(each.after), f"{each.change.value:+.3f}"]
            rows.append([NUMBERS[each.name], str(each.problems), *numbers, between])
        yield from aligned(rows)
        yield ""
    yield " A change whose interval holds 0 may be chance. The change of “what the plan changes” is"
    yield " how much better the second model bears a plan than the first, and of the facts alike."


def _read(text: str, outputs: Path) -> tuple[dict[str, Values], dict[str, str]]:
    """Return the numbers of every problem of an evaluation, and the levels of problems.

    Raises DataError for an evaluation of another kind.
    """
    evaluation = finished(text, outputs)
    ways: dict[str, list[dict[str, Any]]] = {}
    for record in evaluation.samples:
        if record.get("way") is not None and record.get("problem") is not None:
            ways.setdefault(str(record["way"]), []).append(record)
    if "alone" not in ways:
        raise DataError(
            f"{evaluation.folder.name} is no dissection; evaluations.NAME.evaluation=dissection "
            "makes one"
        )
    levels = {
        str(each["problem"]): str(each["level"])
        for each in ways["alone"]
        if each.get("level") is not None
    }
    shares = {way: right_shares(records) for way, records in ways.items()}
    parts: dict[str, list[str]] = {}
    for each in ways.get("subproblems", ()):
        known = parts.setdefault(str(each["problem"]), [])
        if str(each["id"]) not in known:
            known.append(str(each["id"]))
    return by_problem(shares, parts), levels
