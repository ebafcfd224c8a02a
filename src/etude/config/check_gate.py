"""Metrics that a stage waits for or is chosen by: whether its evaluations give them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from etude.config.evaluations import MAIN, measures, measuring, metric_of, named, view
from etude.config.handed_on import BEST, LAST, chosen_by
from etude.config.needs import Used
from etude.config.spelling import did_you_mean, listed
from etude.config.values import shown
from etude.errors import ConfigError
from etude.schema import Schema

#: What an evaluation provides that declares a metric without its least and most.
_METRIC = "metric:"

#: Of a field that names a metric.
_FORM = "metric"

Ranges = Mapping[str, tuple[float, float]]


def gate(config: Mapping[str, Any], schema: Schema) -> Iterator[tuple[str, str]]:
    """Yield what is wrong with the gate of a stage; an evaluation that cannot say is not judged."""
    asked = config.get("gate")
    if not asked:
        return
    name, metric = metric_of(asked["metric"], config)
    seen = view(config, name)
    if not measures(seen):
        place = "evaluation" if name == MAIN else f"evaluations.{name}.evaluation"
        own = "the stage's evaluation" if name == MAIN else f"the evaluation {name}"
        yield "gate", f"needs {own}, which is switched off: {place}=pass_at_k"
        return
    ranges = _ranges(seen, schema)
    least = asked["at_least"]
    if ranges is None:
        return
    if metric not in ranges:
        yield "gate.metric", _not_given(asked["metric"], name, ranges, config, schema)
    elif least is not None and not ranges[metric][0] <= least <= ranges[metric][1]:
        low, high = ranges[metric]
        yield (
            "gate.at_least",
            f"is {shown(least)}, and {asked['metric']} is never outside of {shown(low)} to"
            f" {shown(high)}.",
        )


def handed_on(config: Mapping[str, Any], schema: Schema) -> Iterator[tuple[str, str]]:
    """Yield what is wrong with the metric that says which model of a stage is handed on."""
    chosen = chosen_by(config)
    if chosen is None or not chosen.metric:
        return
    path, text = "training.hand_on", chosen.written
    if not measuring(config):
        yield path, f"is {text}, and nothing is measured: evaluation=pass_at_k, or {path}=last"
        return
    seen = view(config, chosen.evaluation)
    ranges = _ranges(seen, schema) if measures(seen) else {}
    if ranges is None:
        title = f"evaluation {(seen['evaluation'] or {}).get('name')}"
        yield (
            path,
            f"is {text}, and {title} does not say which metrics it gives:"
            ' provides=["metric:NAME"] of its @component does.',
        )
    elif chosen.metric not in ranges:
        yield path, _not_given(text, chosen.evaluation, ranges, config, schema, (LAST, BEST))


def looked_at(
    used: Iterable[Used], config: Mapping[str, Any], schema: Schema
) -> Iterator[tuple[str, str]]:
    """Yield the metrics that components look at and that their evaluation does not give.

    A field of the form ``metric`` names one, or several, of the evaluation that the field
    ``evaluation`` of its component names; where that is missing, or cannot say what it gives, it is
    told elsewhere.
    """
    for each in used:
        for field in each.info.fields_in(each.node):
            asked = each.node.get(field.name)
            name = str(each.node.get("evaluation") or MAIN)
            if field.form != _FORM or asked is None or name not in measuring(config):
                continue
            ranges = _ranges(view(config, name), schema)
            for metric in asked if isinstance(asked, list) else [asked]:
                if ranges is not None and metric not in ranges:
                    said = _not_given(str(metric), name, ranges, config, schema)
                    yield f"{each.path}.{field.name}", said


def _not_given(
    text: str,
    name: str,
    ranges: Ranges,
    config: Mapping[str, Any],
    schema: Schema,
    words: tuple[str, ...] = (),
) -> str:
    """Return that no evaluation gives a metric, and what there is."""
    others = [
        f"{other}/{metric}"
        for other in measuring(config)
        if other != MAIN
        for metric in _ranges(view(config, other), schema) or ()
    ]
    near = did_you_mean(text, [*words, *ranges, *others])
    # One with a slash is meant to be of an evaluation, which there is not.
    if not near and "/" in text and named(config):
        near = did_you_mean(text.partition("/")[0], [MAIN, *named(config)])
    whose = "the stage's evaluation" if name == MAIN else f"the evaluation {name}"
    gives = listed(ranges, 20) if ranges else "nothing: it is switched off"
    said = f"names '{text}', which {whose} does not give.{near} It gives {gives}"
    if others and name == MAIN:
        said += f"; the others give {listed(others, 20)}"
    return f"{said}{f', and {listed(words)} name none' if words else ''}."


def _ranges(config: Mapping[str, Any], schema: Schema) -> Ranges | None:
    """Return the metrics of a view's evaluation and what each can be, None where it is not known.

    An evaluation whose own values do not fit is told of elsewhere.
    """
    from etude.build import build  # imports the evaluation's class, which few commands need

    try:
        evaluation = build(config["evaluation"], "evaluation", schema)
    except ConfigError:
        return None
    ranges = getattr(evaluation, "metric_ranges", None)
    if ranges is None:
        said = [need.what for need in evaluation.declaration.provides]
        names = [what.removeprefix(_METRIC) for what in said if what.startswith(_METRIC)]
        return dict.fromkeys(names, (-math.inf, math.inf)) or None
    mix = config.get("data_mix") or {}
    taught = mix.get("response_template") is not None and mix.get("held_out_template") is None
    found: Ranges | None = None if ranges is None else ranges(taught)
    return found
