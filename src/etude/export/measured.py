"""What is known of how good one model is: its evaluations, and the same of what it started from."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from etude.config.evaluations import MAIN
from etude.config.handed_on import chosen_by
from etude.export.naming import Subject
from etude.export.origin import Origin
from etude.plan.references import Folder, Made, each_of, of_json
from etude.recorded.evaluation import Evaluation
from etude.recorded.outputs import Outputs

#: The level of the intervals that evaluations come with.
LEVEL = 0.95

#: What an export has beside the model: the card, the resolved recipe, the record of the rest.
CARD, RECIPE, RECORD = BESIDE = "README.md", "recipe.yaml", "etude.json"

#: The input of an evaluation that is measured.
_MODEL = "model"


@dataclass(frozen=True)
class Measurement:
    """One evaluation of a model. ``before`` is the same one of what its stage started from.

    ``label`` tells it from the others of the model; ``chose`` says that it chose which step's
    weights were handed on, so that it flatters them.
    """

    label: str
    evaluation: Evaluation
    before: Evaluation | None = None
    chose: bool = False

    @property
    def held_out(self) -> list[tuple[str, Mapping[str, Any], Mapping[str, Any]]]:
        """Return (source, its part of the mix, its config) of what it was measured on."""
        config = self.evaluation.config or {}
        return parts_of(config, "held_out")

    @property
    def metrics(self) -> Mapping[str, Any]:
        """Return its metrics by name: ``{value, low, high}`` each."""
        return {
            name: each if isinstance(each, Mapping) else {"value": each}
            for name, each in self.evaluation.metrics.items()
        }


def parts_of(
    config: Mapping[str, Any], part: str
) -> list[tuple[str, Mapping[str, Any], Mapping[str, Any]]]:
    """Return (source, its part of the mix, its config) for a part of a config's mix (``train``)."""
    mix, sources = config.get("data_mix"), config.get("sources")
    parts = mix.get(part) if isinstance(mix, Mapping) else None
    found = []
    for name, each in (parts or {}).items() if isinstance(parts, Mapping) else ():
        share = each if isinstance(each, Mapping) else {}
        source = str(share.get("source") or name)
        node = sources.get(source) if isinstance(sources, Mapping) else None
        found.append((source, share, node if isinstance(node, Mapping) else {}))
    return found


def measurements_of(subject: Subject, origin: Origin, outputs: Outputs) -> list[Measurement]:
    """Return the finished evaluations of a model, those that its run asked for first.

    An evaluation is one of the model where it names the stage and this output of it, or a folder
    whose files have the hashes that this output was published with.
    """
    asked = origin.evaluations or {}
    wanted = {after: (of, before) for of, (before, after) in asked.items() if after}
    found = [each for each in outputs.evaluations() if _is_of(each, subject)]
    order = list(wanted)
    found.sort(key=lambda e: order.index(e.fingerprint) if e.fingerprint in wanted else len(order))
    chosen = chosen_by(dict(origin.own.config))
    names = [each.of for each in found]
    rows = []
    for each in found:
        alone = names.count(each.of) == 1 or each.fingerprint in wanted
        before = wanted.get(each.fingerprint, ("", None))[1]
        rows.append(
            Measurement(
                each.of if alone else f"{each.of}-{each.fingerprint[:4]}",
                each,
                None if before is None else outputs.evaluation(before),
                chosen is not None and chosen.evaluation == each.of and each.fingerprint in wanted,
            )
        )
    return sorted(rows, key=lambda row: row.label != MAIN)


def _is_of(evaluation: Evaluation, subject: Subject) -> bool:
    written = (evaluation.about.get("inputs") or {}).get(_MODEL)
    if written is None:  # of an earlier etude: the folder that it measured
        folder = str(evaluation.done.get(_MODEL) or "")
        return folder.endswith(f"/{subject.stage.folder.name}/{subject.output}")
    try:
        model = each_of(of_json(written))[0]
    except (KeyError, TypeError, IndexError):
        return False
    if isinstance(model, Made):
        return (model.stage, model.output) == (subject.stage.fingerprint, subject.output)
    if isinstance(model, Folder):
        files = _told(model.files)
        return bool(files) and files == _told(subject.published)
    return False


def _told(files: Mapping[str, str]) -> dict[str, str]:
    """Return the files that make a model: no card, and not what an export has beside it."""
    return {n: each for n, each in files.items() if n not in BESIDE and not n.endswith(".md")}


def spread(metric: Any) -> tuple[float | None, float | None, float | None]:
    """Return a metric's value and the ends of its interval; None for what it lacks."""
    if not isinstance(metric, Mapping):
        metric = {"value": metric}
    value, low, high = (_number(metric.get(key)) for key in ("value", "low", "high"))
    return value, low, high


def _number(value: Any) -> float | None:
    real = isinstance(value, (int, float)) and not isinstance(value, bool)
    return float(value) if real and math.isfinite(value) else None


def figures(measurement: Measurement) -> Iterator[tuple[str, Any, Any]]:
    """Yield (metric, before, after) of a measurement; one that says another again is left out.

    avg@k is the same number as pass@1.
    """
    before = {} if measurement.before is None else measurement.before.metrics
    for name, after in measurement.metrics.items():
        if not name.startswith("avg@") and spread(after)[0] is not None:
            yield name, before.get(name), after
