"""The order of a run's stages: selection, repetition, what waits for what and starts where."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from etude.config.overlay import overlays_of
from etude.config.spelling import did_you_mean, listed
from etude.errors import ConfigError, Fault


@dataclass(frozen=True)
class Step:
    """A stage's place in the pipeline.

    ``overlay`` is its key in `stages`; ``renamed`` maps the keys of repeated stages to the copies
    that this stage means by them, empty where none has run before it. ``redraw`` is the number of a
    round after the first in which the stage takes another seed, else 0.
    """

    name: str
    overlay: str
    after: tuple[str, ...] = ()
    start_from: str | None = None
    renamed: Mapping[str, str] = field(default_factory=dict)
    redraw: int = 0


def expand(root: Mapping[str, Any]) -> list[Step]:
    """Return the stages in the order of the pipeline, repetitions written out.

    Raises ConfigError with every stage name that means nothing.
    """
    faults: list[Fault] = []
    overlays = overlays_of(root)
    names = _selected(root, overlays, faults)
    if faults:
        raise ConfigError(faults)
    places = _copies(names, overlays, faults)
    last = {overlay: name for name, overlay, *_ in places}
    steps: list[Step] = []
    for position, (name, overlay, renamed, redraw) in enumerate(places):
        means = {**last, **renamed}
        previous = places[position - 1][0] if position else None
        step = _step(name, overlay, means, previous, overlays, root.get("start_from"), faults)
        steps.append(dataclasses.replace(step, redraw=redraw))
    if faults:
        raise ConfigError(faults)
    return steps


def _selected(
    root: Mapping[str, Any], overlays: Mapping[str, Any], faults: list[Fault]
) -> list[str]:
    """Return the pipeline; a stage of it must be described, and is there once."""
    pipeline = root.get("pipeline") or []
    names = [str(name) for name in ([pipeline] if isinstance(pipeline, str) else pipeline)]
    if not names:
        known = f" (there is {listed(overlays)})" if overlays else ""
        faults.append(Fault("pipeline", f"is empty; name the stages to run{known}: pipeline='[…]'"))
    for name in dict.fromkeys(names):
        if name not in overlays:
            near = did_you_mean(name, overlays) or f" There is {listed(overlays) or 'none'}."
            faults.append(
                Fault(f"pipeline=[{','.join(names)}]", f"there is no stage '{name}'.{near}")
            )
        if names.count(name) > 1:
            message = f"the stage '{name}' is there twice; stages.{name}.repeat.times=2 repeats it."
            faults.append(Fault(f"pipeline=[{','.join(names)}]", message))
    return names


def _copies(
    names: list[str], overlays: Mapping[str, Any], faults: list[Fault]
) -> list[tuple[str, str, dict[str, str], int]]:
    """Return (name, overlay, what repeated names mean here, redraw) of every stage, in order."""
    blocks: dict[str, tuple[int, list[str], list[str]]] = {}
    for name in names:
        repeat = (overlays.get(name) or {}).get("repeat")
        if isinstance(repeat, Mapping):
            times = repeat.get("times", 1)
            inner = [str(stage) for stage in repeat.get("stages") or [name]]
            redrawn = [str(stage) for stage in repeat.get("redraw") or []]
            for stage in redrawn:
                if stage not in inner:
                    message = f"the rounds have no stage '{stage}', only {listed(inner)}."
                    faults.append(Fault(f"stages.{name}.repeat.redraw", message))
            for stage in inner:
                if stage not in overlays:
                    near = did_you_mean(stage, overlays) or f" There is {listed(overlays)}."
                    faults.append(
                        Fault(f"stages.{name}.repeat.stages", f"there is no stage '{stage}'.{near}")
                    )
            blocks[name] = (int(times) if isinstance(times, (int, float)) else 1, inner, redrawn)
    inside = {stage for name, (_, inner, _) in blocks.items() for stage in inner if stage != name}
    places: list[tuple[str, str, dict[str, str], int]] = []
    for name in names:
        if name in inside:
            continue
        if name not in blocks:
            places.append((name, name, {}, 0))
            continue
        times, inner, redrawn = blocks[name]
        for number in range(1, times + 1):
            for index, stage in enumerate(inner):
                # A stage that comes later in the block means its copy of the round before; in
                # the first round there is none, which the empty name says.
                means = {
                    other: f"{other}-{number if before < index else number - 1}"
                    if before < index or number > 1
                    else ""
                    for before, other in enumerate(inner)
                }
                redraw = number if number > 1 and stage in redrawn else 0
                places.append((f"{stage}-{number}", stage, means, redraw))
    return places


def _step(
    name: str,
    overlay: str,
    means: Mapping[str, str],
    previous: str | None,
    overlays: Mapping[str, Any],
    root_start: str | None,
    faults: list[Fault],
) -> Step:
    over = overlays.get(overlay) or {}
    given = over.get("after")
    if given is None:
        after: tuple[str, ...] = (previous,) if previous is not None else ()
    else:
        asked = [str(each) for each in (given if isinstance(given, list) else [given])]
        for each in asked:
            if each not in overlays:
                near = did_you_mean(each, overlays) or f" There is {listed(overlays)}."
                faults.append(
                    Fault(f"stages.{overlay}.after", f"there is no stage '{each}'.{near}")
                )
        # A stage that the pipeline leaves out has nothing to wait for.
        after = tuple(means[each] for each in asked if means.get(each))
    start = over.get("start_from")
    if start is not None:
        start = str(start)
        stage, _, output = start.partition(".")
        if stage in overlays and stage not in means:
            if root_start is None or output:
                faults.append(
                    Fault(
                        f"stages.{overlay}.start_from={start}",
                        f"the stage '{stage}' is not in the pipeline; type start_from=PATH.",
                    )
                )
            start = root_start
        else:
            start = _copy_of(start, means)
    elif root_start is not None and not after:
        start = _copy_of(str(root_start), means)
    return Step(name, overlay, after, start, {k: v for k, v in means.items() if k != v})


def _copy_of(reference: str, means: Mapping[str, str]) -> str | None:
    """Return a reference to a repeated stage as one to the copy that is meant.

    None where no copy has run before and its model would be meant: the predecessor takes its place.
    """
    stage, dot, output = reference.partition(".")
    if stage not in means:
        return reference
    copy = means[stage]
    if not copy:
        return reference if output else None
    return f"{copy}{dot}{output}"
