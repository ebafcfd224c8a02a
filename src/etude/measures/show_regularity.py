"""`etude measure regularity`: which scores of a benchmark may be extrapolated to larger models."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from etude.cli.frame import Parser, tell
from etude.errors import ConfigError, DataError, Fault
from etude.measures.along import finished
from etude.measures.regularity import CORRELATIONS, SCORES, Summary, choice_scores, correlations
from etude.measures.table import aligned, number
from etude.printable import in_json

#: Models of different compute below which every score that moves is in perfect order or against it.
_LEAST = 3

#: Item → its scores by name.
Scored = dict[str, dict[str, float]]


@dataclass(frozen=True)
class Scaled:
    """The scores of every item under models of growing compute: score → ``[C, I]``."""

    names: Sequence[str]
    compute: Sequence[float]
    items: Sequence[str]
    scores: Mapping[str, np.ndarray]


def main(words: Sequence[str]) -> int:
    """Tell how regularly scores grow: etude measure regularity EVALUATION=FLOPS …."""
    parser = Parser("etude measure regularity", description=main.__doc__)
    parser.add_argument(
        "models",
        nargs="+",
        metavar="EVALUATION=FLOPS",
        help="evaluations of the kind option_scores of the same questions, each with the compute "
        "of its model (about 6 · parameters · tokens): small.arc-ae57=1.2e18; three or more",
    )
    parser.add_argument(
        "--correlation", choices=CORRELATIONS, default="spearman", help="what the table shows"
    )
    parser.add_argument("--json", action="store_true", help="for programs, with every item")
    parser.add_argument("--outputs", type=Path, default=Path("outputs"), help="where they lie")
    given = parser.parse_args(list(words))
    outputs = given.outputs.expanduser().absolute()
    pairs = [_pair(word) for word in given.models]
    if len({compute for _, compute in pairs}) < _LEAST:
        raise DataError(
            f"regularity shows over {_LEAST} models of different compute; there are "
            f"{len({compute for _, compute in pairs})}"
        )
    models = [(name, compute, _scores(name, outputs)) for name, compute in pairs]
    scaled = of_models(models)
    found = {score: correlations(scaled.compute, scaled.scores[score]) for score in SCORES}
    if given.json:
        tell(in_json(json.dumps(as_json(scaled, found), indent=1)))
        return 0
    for line in lines(scaled, found, given.correlation):
        tell(line)
    return 0


def of_models(models: Sequence[tuple[str, float, Scored]]) -> Scaled:
    """Return the questions that all models were asked, models in order of compute.

    Raises DataError where there is none in common.
    """
    ordered = sorted(models, key=lambda each: each[1])
    shared = set.intersection(*(set(scores) for _, _, scores in ordered))
    if not shared:
        raise DataError("the evaluations share no question")
    items = sorted(shared)
    tables = {
        score: np.array([[scores[item][score] for item in items] for _, _, scores in ordered])
        for score in SCORES
    }
    return Scaled([each[0] for each in ordered], [each[1] for each in ordered], items, tables)


def lines(
    scaled: Scaled, found: Mapping[str, Mapping[str, Summary]], correlation: str
) -> Iterator[str]:
    """Yield the mean scores of every model, and how each score goes with compute."""
    yield f" {len(scaled.items)} questions, {len(scaled.names)} models\n"
    rows = [["mean over questions", "FLOPs", *SCORES]]
    for place, (name, compute) in enumerate(zip(scaled.names, scaled.compute, strict=True)):
        means = [number(float(scaled.scores[score][place].mean())) for score in SCORES]
        rows.append([name, f"{compute:.3g}", *means])
    yield from aligned(rows)
    yield ""
    rows = [[f"{correlation} of a question", "mean", "median", "area", "−W₁", "never moves"]]
    for score in SCORES:
        each = found[score][correlation]
        cells = (each.mean, each.median, each.area, each.neg_wasserstein)
        rows.append([score, *map(number, cells), str(each.undefined)])
    yield from aligned(rows)
    yield "\n Extrapolate log_p_vocab or p_vocab. Those below them move with the probability of the"
    yield " particular wrong options as well, and accuracy is never to be extrapolated."


def as_json(scaled: Scaled, found: Mapping[str, Mapping[str, Summary]]) -> dict[str, Any]:
    """Return all of it as programs read it; a question that never moves has null."""
    return {
        "models": list(scaled.names),
        "compute": list(scaled.compute),
        "questions": list(scaled.items),
        "scores": {score: table.tolist() for score, table in scaled.scores.items()},
        "correlations": {
            score: {
                way: {
                    "mean": each.mean,
                    "median": each.median,
                    "area": each.area,
                    "neg_wasserstein": each.neg_wasserstein,
                    "never_moves": each.undefined,
                    "per_question": [None if math.isnan(v) else v for v in each.per_item],
                }
                for way, each in ways.items()
            }
            for score, ways in found.items()
        },
    }


def _pair(word: str) -> tuple[str, float]:
    name, _, written = word.rpartition("=")
    try:
        compute = float(written)
    except ValueError:
        compute = math.nan
    if not name or not math.isfinite(compute) or compute <= 0:
        raise ConfigError([Fault(word, "is EVALUATION=FLOPS here, as in small.arc-ae57=1.2e18.")])
    return name, compute


def _scores(text: str, outputs: Path) -> Scored:
    """Return the scores of every question of an evaluation; raises DataError where it has none."""
    evaluation = finished(text, outputs)
    found = {
        str(each["id"]): choice_scores(each["choice_logprobs"], int(each["answer_index"]))
        for each in evaluation.samples
        if each.get("choice_logprobs") and each.get("answer_index") is not None
    }
    if not found:
        raise DataError(
            f"{evaluation.folder.name} scored no options; regularity is measured over "
            "evaluations.NAME.evaluation=option_scores"
        )
    return found
