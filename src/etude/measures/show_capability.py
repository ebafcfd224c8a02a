"""`etude measure capability`: what a model can solve that the one before could not, and back."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from etude.cli.frame import Parser, tell
from etude.errors import DataError
from etude.evaluation.difficulty import read_tries
from etude.evaluation.statistics import unreached_bound
from etude.measures.naming import evaluation_folder
from etude.measures.table import aligned, number
from etude.printable import in_json
from etude.statistics.splits import change_by_solved, coverage, crossing, moved, solvable


def main(words: Sequence[str]) -> int:
    """Set two evaluations of the same problems beside each other: … capability BEFORE AFTER."""
    parser = Parser("etude measure capability", description=main.__doc__)
    parser.add_argument("before", help="an evaluation: its folder, or its name (base-ae57)")
    parser.add_argument("after", help="another, of the same problems")
    parser.add_argument("--json", action="store_true", help="for programs, problem by problem")
    parser.add_argument("--outputs", type=Path, default=Path("outputs"), help="where they lie")
    given = parser.parse_args(list(words))
    outputs = given.outputs.expanduser().absolute()
    folders = [evaluation_folder(each, outputs) for each in (given.before, given.after)]
    ids, before, after = of_tries(*(read_tries(folder) for folder in folders))
    if given.json:
        tell(in_json(json.dumps(as_json(ids, before, after), indent=1)))
        return 0
    for line in lines(before, after):
        tell(line)
    return 0


def of_tries(
    before: dict[str, list[bool]], after: dict[str, list[bool]]
) -> tuple[list[str], np.ndarray, np.ndarray]:
    """Return the problems that both were measured on, and which answers were right, ``[P, n]``.

    Of problems with more answers than others the first are taken. Raises DataError where there is
    none in common.
    """
    ids = sorted(before.keys() & after.keys())
    if not ids:
        raise DataError("the two evaluations share no problem")
    one, other = (_matrix([tries[name] for name in ids]) for tries in (before, after))
    return ids, one, other


def _matrix(rows: list[list[bool]]) -> np.ndarray:
    n = min(map(len, rows))
    return np.array([row[:n] for row in rows], dtype=bool)


def lines(before: np.ndarray, after: np.ndarray) -> Iterator[str]:
    """Yield accuracy, capability, the flow between them, and the curve of pass@k."""
    tries = f"{before.shape[1]} and {after.shape[1]} answers of each"
    yield f" {len(before)} problems, {tries}\n"
    reach, flow = solvable(before, after), moved(before, after)
    old, new = coverage(before), coverage(after)
    rows = [["", "before", "after"]]
    rows.append(["accuracy", *(number(float(each.mean())) for each in (before, after))])
    rows.append(["capability", *(number(float(e.mean())) for e in (reach.before, reach.after))])
    rows += [[f"pass@{k}", number(old.get(k)), number(new.get(k))] for k in sorted(old | new)]
    yield from aligned(rows)
    at = crossing(old, new)
    yield f"\n crossing: {'none up to here' if at is None else f'from k = {at} on'}\n"
    yield from aligned(
        [
            ["problems gained at one try", ""],
            ["  never solved before (capability gain)", number(flow.gain, ".2f")],
            ["  solved before (self-distillation)", number(flow.distillation, ".2f")],
            ["problems forgotten at one try", number(flow.forgetting, ".2f")],
            ["net", number(flow.net, "+.2f")],
            ["problems newly solvable", str(int(reach.gained.sum()))],
            ["problems no longer solvable", str(int(reach.lost.sum()))],
            ["solvable before and after", str(int((reach.before & reach.after).sum()))],
        ]
    )
    yield ""
    changes = [[str(count), f"{c:+.3f}"] for count, c in change_by_solved(before, after).items()]
    yield from aligned([["right answers before", "change of accuracy"], *changes])
    yield "\n Chance alone lifts those with few right answers before, and lowers those with many."
    bound = unreached_bound(before.shape[1])
    yield f" Never solved before: a chance below {bound:.1%} at one try, with 95 %."


def as_json(ids: Sequence[str], before: np.ndarray, after: np.ndarray) -> dict[str, Any]:
    """Return all of it as programs read it, with what became of each problem."""
    reach, flow = solvable(before, after), moved(before, after)
    old, new = coverage(before), coverage(after)
    return {
        "problems": len(ids),
        "answers": [before.shape[1], after.shape[1]],
        "accuracy": [float(before.mean()), float(after.mean())],
        "capability": [float(reach.before.mean()), float(reach.after.mean())],
        "coverage": {"before": old, "after": new},
        "crossing": crossing(old, new),
        "flow": {
            "capability_gain": flow.gain,
            "self_distillation": flow.distillation,
            "forgotten": flow.forgetting,
            "net": flow.net,
        },
        "gained": [name for name, it in zip(ids, reach.gained, strict=True) if it],
        "lost": [name for name, it in zip(ids, reach.lost, strict=True) if it],
        "change_by_solved": change_by_solved(before, after),
        "unsolved_below": unreached_bound(before.shape[1]),
    }
