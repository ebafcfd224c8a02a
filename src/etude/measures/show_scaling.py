"""`etude measure scaling`: the laws of loss that several finished runs follow."""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from etude.cli.frame import Parser, tell
from etude.errors import DataError
from etude.execute.lines import raw_lines
from etude.execute.metric import value_of
from etude.measures.naming import stage_folder
from etude.measures.scaling_report import Curve, Report, fit
from etude.measures.table import aligned
from etude.printable import in_json

_COLUMNS = ("run", "size", "batch_tokens", "step", "loss")


def main(words: Sequence[str]) -> int:
    """Fit loss by size, steps and batch: etude measure scaling STAGE STAGE … or a TABLE."""
    parser = Parser("etude measure scaling", description=main.__doc__)
    parser.add_argument(
        "runs",
        nargs="+",
        help="finished stages with held-out losses (execution.evaluate_every), or tables (.csv, "
        f".jsonl) with the columns {', '.join(_COLUMNS)}",
    )
    parser.add_argument("--evaluation", default="main", help="the evaluation whose loss it is")
    parser.add_argument("--warmup", type=int, default=0, help="steps at the beginning left out")
    parser.add_argument("--size", type=float, help="predict a model of so many parameters, …")
    parser.add_argument("--steps", type=float, help="… after so many steps …")
    parser.add_argument("--batch", type=float, help="… of so many tokens")
    parser.add_argument("--target", type=float, help="what it takes to reach this loss")
    parser.add_argument("--json", action="store_true", help="for programs")
    parser.add_argument("--outputs", type=Path, default=Path("outputs"), help="where stages lie")
    given = parser.parse_args(list(words))
    outputs = given.outputs.expanduser().absolute()
    curves = [
        curve
        for each in given.runs
        for curve in (
            of_table(Path(each))
            if Path(each).suffix in (".csv", ".jsonl") and Path(each).is_file()
            else [of_stage(stage_folder(each, outputs), given.evaluation)]
        )
    ]
    report = fit(curves, warmup=given.warmup)
    predicted = predictions(report, given.size, given.steps, given.batch, given.target)
    if given.json:
        content = {**_content(report), "predicted": predicted}
        tell(in_json(json.dumps(content, indent=1)))
        return 0
    for line in lines(report, predicted):
        tell(line)
    return 0


def lines(report: Report, predicted: dict[str, float]) -> Iterator[str]:
    """Yield the runs, the constants that could be fitted, and what follows from them."""
    rows = [["run", "size", "batch, tokens", "steps", "loss", "error of the law"]]
    for c in report.curves:
        error = report.residuals.get(c.name)
        rows.append(
            [
                c.name,
                f"{c.size:.3g}",
                f"{c.batch_tokens:.3g}",
                f"{c.steps[-1]:g}",
                f"{c.losses[-1]:.4f}",
                "" if error is None else f"{error:+.2%}",
            ]
        )
    yield from aligned(rows)
    yield ""
    if report.size is not None:
        width = report.interval
        between = "" if width is None else f" [{width[0]:.4f}, {width[1]:.4f}]"
        yield f" L(N) = (N_c/N)^α_N: α_N {report.size.alpha_n:.4f}{between}, ln N_c " + (
            f"{report.size.ln_n_c:.3f}"
        )
    if report.left_out is not None:
        yield f"   the largest size, predicted by the others: {report.left_out:+.2%}"
    if report.steps is not None:
        dropped = f", {report.steps.dropped} points below the floor left out"
        yield f" + (S_c/S)^α_S: α_S {report.steps.alpha_s:.4f}, S_c {report.steps.s_c:.4g}" + (
            dropped if report.steps.dropped else ""
        )
    if report.batch is not None:
        yield f" B_crit(L) = B_*/L^(1/α_B): α_B {report.batch.alpha_b:.4f}, ln B_* " + (
            f"{report.batch.ln_b_star:.3f}"
        )
    for law, why in report.why_not.items():
        yield f" no law of {law}: {why}"
    if predicted:
        yield ""
        yield from aligned([[name, f"{value:.6g}"] for name, value in predicted.items()])


def predictions(
    report: Report,
    size: float | None,
    steps: float | None,
    batch: float | None,
    target: float | None,
) -> dict[str, float]:
    """Return what was asked for, by name. Raises DataError where the laws do not tell."""
    if size is None:
        if any(each is not None for each in (steps, batch, target)):
            raise DataError("--steps, --batch and --target are asked of a model: --size PARAMETERS")
        return {}
    found = {"least loss": report.least(size)}
    if steps is not None and batch is not None:
        found["loss"] = report.laws().loss(size, steps, batch)
    if target is not None:
        if batch is None:
            raise DataError("--target needs the batch that it is reached with: --batch TOKENS")
        there = report.laws().to_target(size, target, batch)
        found |= {name.replace("_", " "): value for name, value in asdict(there).items()}
    return found


def of_stage(folder: Path, evaluation: str) -> Curve:
    """Return the curve of a finished stage. Raises DataError where it measured no loss."""
    points = [
        (float(line["step"]), loss)
        for line, _ in raw_lines(folder / "evaluations.jsonl")
        if line.get("evaluation", "main") == evaluation
        and (loss := value_of(line, "loss")) is not None
    ]
    if not points:
        raise DataError(
            f"{folder.name} has no held-out loss by step of the evaluation {evaluation}; train it "
            "with execution.evaluate_every and a mix whose held-out rows have responses"
        )
    steps, losses = zip(*sorted(points), strict=True)
    return Curve(folder.name, _size(folder / "model"), _batch(folder), steps, losses)


def of_table(path: Path) -> list[Curve]:
    """Return the curves of a table, one for each run in it."""
    if path.suffix == ".csv":
        with path.open(encoding="utf-8", newline="") as stream:
            rows: list[dict[str, Any]] = list(csv.DictReader(stream))
    else:
        rows = [line for line, _ in raw_lines(path)]
    groups: dict[str, list[list[float]]] = {}
    for number_of, row in enumerate(rows, 1):
        try:
            values = [float(row[name]) for name in _COLUMNS[1:]]
        except (KeyError, TypeError, ValueError) as error:
            raise DataError(
                f"{path}: row {number_of} is not of the columns {', '.join(_COLUMNS)} ({error})"
            ) from error
        if not all(math.isfinite(each) and each > 0 for each in values):
            raise DataError(f"{path}: row {number_of} holds a number that is not positive")
        groups.setdefault(str(row.get("run", "")), []).append(values)
    if not groups:
        raise DataError(f"{path} has no rows")
    curves = []
    for name, points in groups.items():
        points.sort(key=lambda each: each[2])
        size, batch = points[0][:2]
        steps, losses = tuple(p[2] for p in points), tuple(p[3] for p in points)
        curves.append(Curve(name, size, batch, steps, losses))
    return curves


def _size(model: Path) -> float:
    """Return the parameters of a model without its embeddings and its head."""
    from etude.measures.weights import Checkpoint

    checkpoint = Checkpoint(model)
    try:
        return float(checkpoint.entries(lambda kind: kind not in ("embed", "head")))
    finally:
        checkpoint.close()


def _batch(folder: Path) -> float:
    """Return the mean tokens of a step, from what the stage wrote of each."""
    lines = [line for line, _ in raw_lines(folder / "metrics.jsonl")]
    each = [float(line["tokens"]) for line in lines if line.get("tokens")]
    if each:
        return sum(each) / len(each)
    total = [float(line["tokens/trained"]) for line in lines if line.get("tokens/trained")]
    if not total:
        raise DataError(f"{folder.name} does not say how many tokens a step had")
    return total[-1] / len(lines)


def _content(report: Report) -> dict[str, Any]:
    content = asdict(report)
    content["curves"] = [asdict(curve) for curve in report.curves]
    content["critical_batches"] = [
        {**asdict(level), "batch": level.batch if level.usable else None} for level in report.levels
    ]
    del content["levels"]
    return content
