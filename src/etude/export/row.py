"""One model as a row of a leaderboard: what it is, what it scored, what it took."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping, Sequence
from typing import Any

from etude.comparing.budget import spent
from etude.errors import DataError
from etude.export import discreet
from etude.export.facts import Facts
from etude.export.measured import Measurement, spread
from etude.export.origin import Link
from etude.printable import in_json


def row_of(facts: Facts) -> dict[str, Any]:
    """Return what a leaderboard has of a model, as JSON.

    ``evaluations`` are by name; a metric is ``{value, low, high}``, of which the last two are the
    ends of an interval of 95 % and are left out where there is none. ``cost`` adds up the stages
    from the base on; null is what was not recorded.
    """
    origin = facts.origin
    own = origin.own
    method = facts.titles.get(own.name, own.learner)
    return {
        "model": facts.name,
        "fingerprint": own.fingerprint,
        "base": facts.base or ("scratch" if origin.is_scratch else None),
        "recipe": discreet.text(origin.recipe) or None,
        "method": method,
        "stages": [link.name for link in origin.links],
        "seed": facts.seed,
        "steps": facts.steps[1],
        "overrides": None if facts.command is None else facts.command[1:],
        "evaluations": {each.label: _scores(each) for each in facts.measurements},
        "cost": _cost(origin.links),
        "versions": {
            name: version
            for name, version in facts.versions.items()
            if name in ("etude", "torch", "transformers")
        },
    }


def _scores(measurement: Measurement) -> dict[str, Any]:
    result = measurement.evaluation.result
    scores = {}
    for name, metric in measurement.metrics.items():
        value, low, high = spread(metric)
        ends = {"low": low, "high": high} if low is not None and high is not None else {}
        scores[name] = {"value": value, **ends}
    return {
        "fingerprint": measurement.evaluation.fingerprint,
        "data": sorted({str(node.get("hub") or name) for name, _, node in measurement.held_out}),
        "problems": result.get("problems"),
        "samples": result.get("samples"),
        "chose_the_model": measurement.chose,
        "metrics": scores,
    }


def _cost(links: Sequence[Link]) -> dict[str, Any]:
    """Return what stages took in all; a number that one of them did not record is null."""
    stages = [link.stage for link in links]
    seconds = [None if s is None or s.done is None else s.seconds for s in stages]
    devices = [((s.done or {}).get("device") if s is not None else None) for s in stages]
    known = [d for d in devices if isinstance(d, Mapping)]
    counted = [
        None if s is None or not isinstance(d, Mapping) else s * int(d.get("processes") or 1)
        for s, d in zip(seconds, devices, strict=True)
    ]
    kinds = sorted({str(each.get("kind")) for each in known})
    names = sorted({str(each.get("name")) for each in known if each.get("name")})
    return {
        "tokens_sampled": _tokens(links, sampled=True),
        "tokens_trained": _tokens(links, sampled=False),
        "seconds": _sum(seconds),
        "device": "+".join(kinds) if len(known) == len(stages) else None,
        "device_name": " + ".join(names) or None,
        "device_seconds": _sum(counted),
    }


def _tokens(links: Sequence[Link], *, sampled: bool) -> int | None:
    """Return the tokens that stages sampled, or trained on; null where a stage has no record."""
    total = 0
    for link in links:
        lines = [] if link.stage is None else link.stage.metrics
        if not lines:
            return None
        last = lines[-1]
        if "tokens/sampled" in last:  # both are counted since the stage began
            counted = last.get("tokens/sampled" if sampled else "tokens/trained")
            if not isinstance(counted, (int, float)):
                return None
            total += int(counted)
        elif not sampled:
            try:
                total += int(spent(link.stage, "tokens")[-1]) if link.stage is not None else 0
            except DataError:
                return None
    return total


def _sum(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) if len(known) == len(values) else None


def as_json(rows: Sequence[Mapping[str, Any]]) -> str:
    """Return rows as JSON lines."""
    return "".join(
        in_json(json.dumps(row, ensure_ascii=False, allow_nan=False)) + "\n" for row in rows
    )


def as_csv(rows: Sequence[Mapping[str, Any]]) -> str:
    """Return rows as CSV: a column for each number, ``main/pass@1``, ``main/pass@1/low``, …"""
    flat = [_flat(row) for row in rows]
    columns = dict.fromkeys(column for row in flat for column in row)
    out = io.StringIO()
    writer = csv.DictWriter(out, list(columns), restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows({key: _cell(value) for key, value in row.items()} for row in flat)
    return out.getvalue()


def _flat(row: Mapping[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in row.items():
        if key == "evaluations":
            for name, each in value.items():
                found[f"{name}/problems"] = each["problems"]
                found[f"{name}/data"] = " ".join(each["data"])
                for metric, ends in each["metrics"].items():
                    found[f"{name}/{metric}"] = ends["value"]
                    found |= {f"{name}/{metric}/{e}": v for e, v in ends.items() if e != "value"}
        elif isinstance(value, Mapping):
            found |= {f"{key}/{name}": each for name, each in value.items()}
        elif isinstance(value, (list, tuple)):
            found[key] = " ".join(map(str, value))
        else:
            found[key] = value
    return found


def _cell(value: Any) -> Any:
    """Return a cell that no spreadsheet takes for a formula."""
    if isinstance(value, str) and value[:1] in ("=", "+", "-", "@"):
        return f"'{value}"
    return value
