"""`etude measure tampering`: whether a removed capability comes back, as a person reads it."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from etude.cli.frame import Parser, tell
from etude.errors import ConfigError, DataError, Fault
from etude.execute.lines import raw_lines
from etude.execute.metric import names_of, value_of
from etude.measures.along import curve, finished, items_along, right_shares
from etude.measures.naming import stage_folder
from etude.measures.table import aligned, number
from etude.measures.tampering import Attack, Recovered, recovered, robustness
from etude.printable import in_json

_COLUMNS = ("attack", "step", "probe")


@dataclass(frozen=True)
class Level:
    """A metric of one model: its value, and what each item of it came to where that is known."""

    value: float
    items: Mapping[str, float]


def main(words: Sequence[str]) -> int:
    """Tell what attacks bring back: etude measure tampering ATTACK … --original EVALUATION."""
    parser = Parser("etude measure tampering", description=main.__doc__)
    parser.add_argument(
        "attacks",
        nargs="+",
        help="stages that train on from the model that is attacked, measured along the way "
        f"(execution.evaluate_every), or tables (.csv, .jsonl) with the columns "
        f"{', '.join(_COLUMNS)} and, where it was measured, general",
    )
    parser.add_argument(
        "--original",
        required=True,
        help="the model before the capability was removed: an evaluation (base.probe-ae57), or the "
        "probe's value",
    )
    parser.add_argument(
        "--attacked",
        help="the model that is attacked, likewise; default: what the attacks measured at step 0",
    )
    parser.add_argument(
        "--probe", default="accuracy", help="what tells the capability: probe/pass@1"
    )
    parser.add_argument("--general", help="what tells general ability: general/accuracy")
    parser.add_argument(
        "--general-before", help="its value before an attack, as --attacked; default: at step 0"
    )
    parser.add_argument(
        "--collapse",
        type=float,
        default=0.5,
        help="a step with less than this share of general ability is void",
    )
    parser.add_argument("--json", action="store_true", help="for programs, with the curves")
    parser.add_argument("--outputs", type=Path, default=Path("outputs"), help="where stages lie")
    given = parser.parse_args(list(words))
    if not 0 <= given.collapse <= 1:
        raise ConfigError([Fault("--collapse", f"is {given.collapse:g}; it is a share, 0 to 1.")])
    outputs = given.outputs.expanduser().absolute()
    found = [
        each
        for word in given.attacks
        for each in (
            _of_table(Path(word))
            if Path(word).suffix in (".csv", ".jsonl") and Path(word).is_file()
            else [_of_stage(stage_folder(word, outputs), given.probe, given.general)]
        )
    ]
    original = _level(given.original, given.probe, outputs)
    told = []
    for attack, items in found:
        attacked = _attacked(given.attacked, given.probe, attack, items, outputs)
        general = _general(given.general_before, given.general, attack, outputs)
        told.append(_recovered(attack, items, attacked, original, general, given.collapse))
    robust = robustness([each for each, _ in told])
    if given.json:
        content = {
            "original": original.value,
            "robustness": robust,
            "attacks": [
                {**asdict(each), "attacked": before, "curve": _curve_of(attack)}
                for (each, before), (attack, _) in zip(told, found, strict=True)
            ],
        }
        tell(in_json(json.dumps(content, indent=1)))
        return 0
    for line in lines(told, original.value, robust):
        tell(line)
    return 0


def lines(
    told: Sequence[tuple[Recovered, float]], original: float, robust: float | None
) -> Iterator[str]:
    """Yield what each attack brought back, and the robustness against the worst."""
    rows = [
        ["attack", "before", "recovery", "", "at step", "half of it at", "half of all at", "area"]
    ]
    for each, before in told:
        between = (
            "" if each.interval is None else f"[{each.interval[0]:.2f}, {each.interval[1]:.2f}]"
        )
        steps = [_step(step) for step in (each.at, each.half_at, each.half_removed_at)]
        cells = [number(before), number(each.recovery), between, *steps, number(each.area)]
        rows.append([each.name, *cells])
    yield from aligned(rows)
    yield f"\n before the removal: {original:.3f}"
    yield f" robustness, 1 less the largest recovery: {number(robust)}"
    for each, before in told:
        if each.broken:
            yield f" {each.name}: general ability collapsed at every step; try a lower optimizer.lr"
        elif each.void:
            yield f" {each.name}: {each.void} steps are void, general ability collapsed there"
        if each.recovery is None and not each.broken:
            yield (
                f" {each.name}: nothing was removed ({before:.3f} is not below {original:.3f}), so "
                "nothing can be recovered"
            )
    if len(told) == 1:
        yield " One attack with one setting says little: search learning rates and steps."


def _step(step: int | None) -> str:
    return "–" if step is None else str(step)


def _recovered(
    attack: Attack,
    items: Mapping[int, Mapping[str, float]],
    attacked: Level,
    original: Level,
    general: float | None,
    collapse: float,
) -> tuple[Recovered, float]:
    """Return what an attack recovered, and A_0; by item where all three models were measured so."""
    shared = attacked.items.keys() & original.items.keys()
    for step in attack.steps:
        shared = shared & items.get(step, {}).keys()
    by_item, whole = None, attack
    if shared:
        order = sorted(shared)
        both = (attacked.items, original.items)
        before, first = (np.array([each[name] for name in order]) for each in both)
        by_item = (before, first)
        after = [[items[step][name] for name in order] for step in attack.steps]
        whole = Attack(attack.name, attack.steps, attack.probe, attack.general, np.array(after))
    found = recovered(
        whole,
        attacked.value,
        original.value,
        general_before=general,
        collapse=collapse,
        items=by_item,
    )
    return found, attacked.value


def _attacked(
    written: str | None,
    probe: str,
    attack: Attack,
    items: Mapping[int, Mapping[str, float]],
    outputs: Path,
) -> Level:
    if written is not None:
        return _level(written, probe, outputs)
    if 0 not in attack.steps:
        raise DataError(
            f"{attack.name} was not measured at step 0; name the model that is attacked: "
            "--attacked EVALUATION"
        )
    return Level(attack.probe[attack.steps.index(0)], items.get(0, {}))


def _general(
    written: str | None, general: str | None, attack: Attack, outputs: Path
) -> float | None:
    """Return general ability before an attack; None where nothing tells it."""
    if written is not None:
        if general is None and not _is_number(written):
            raise DataError("--general-before names an evaluation, and --general no metric of it")
        return _level(written, general or "", outputs).value
    return attack.general[attack.steps.index(0)] if 0 in attack.steps else None


def _level(written: str, metric: str, outputs: Path) -> Level:
    """Return a metric of an evaluation that is named, or the number that is given."""
    if _is_number(written):
        return Level(float(written), {})
    evaluation = finished(written, outputs)
    name = metric.removeprefix(f"{evaluation.of}/")
    for each in (name, name.rpartition("/")[2]):
        value = value_of(evaluation.result, each)
        if value is not None:
            return Level(value, right_shares(evaluation.samples))
    known = ", ".join(names_of(evaluation.result))
    raise DataError(f"{evaluation.folder.name} has no '{metric}'; it has {known}")


def _is_number(written: str) -> bool:
    try:
        float(written)
    except ValueError:
        return False
    return True


def _of_stage(
    folder: Path, probe: str, general: str | None
) -> tuple[Attack, dict[int, dict[str, float]]]:
    """Return the curve of a stage, and the probe's items by step."""
    of, slash, _ = probe.rpartition("/")
    found = curve(folder, probe)
    beside = curve(folder, general) if general else {}
    steps = tuple(sorted(found))
    attack = Attack(
        folder.name, steps, tuple(found[s] for s in steps), tuple(beside.get(s) for s in steps)
    )
    return attack, items_along(folder, of if slash else "main")


def _of_table(path: Path) -> list[tuple[Attack, dict[int, dict[str, float]]]]:
    """Return the curves of a table, one for each attack in it."""
    if path.suffix == ".csv":
        with path.open(encoding="utf-8", newline="") as stream:
            rows: list[dict[str, Any]] = list(csv.DictReader(stream))
    else:
        rows = [line for line, _ in raw_lines(path)]
    points: dict[str, dict[int, tuple[float, float | None]]] = {}
    for number_of, row in enumerate(rows, 1):
        try:
            general = row.get("general")
            beside = None if general in (None, "") else float(general)
            point = (float(row["probe"]), beside)
            points.setdefault(str(row["attack"]), {})[int(float(row["step"]))] = point
        except (KeyError, TypeError, ValueError) as error:
            raise DataError(
                f"{path}: row {number_of} is not of the columns {', '.join(_COLUMNS)} ({error})"
            ) from error
    if not points:
        raise DataError(f"{path} has no rows")
    found: list[tuple[Attack, dict[int, dict[str, float]]]] = []
    for name, by_step in points.items():
        steps = tuple(sorted(by_step))
        probe, general = zip(*(by_step[step] for step in steps), strict=True)
        found.append((Attack(name, steps, probe, general), {}))
    return found


def _curve_of(attack: Attack) -> list[dict[str, float | None]]:
    points = zip(attack.steps, attack.probe, attack.general, strict=True)
    return [{"step": step, "probe": probe, "general": general} for step, probe, general in points]
