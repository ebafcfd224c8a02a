"""Whether measurements may be compared: how they were made, and on what their models trained."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from etude.comparing.arms import Arm, Point
from etude.plan import layout
from etude.recorded.outputs import Outputs
from etude.recorded.stage import Stage

#: How a stage's log tells of training rows that are measured on, where they were not dropped.
_OVERLAP = re.compile(r"\d+ of \d+ (?:training rows|demonstrations) have a held-out prompt: (.*)")

#: What of a config decides how answers are sampled, beside what an evaluation's settings say.
_SAMPLING = ("top_p", "top_k", "stop", "stop_token_ids", "episode", "logits")

#: What decides how a problem is put to the model.
_ASKING = ("system", "prompt_template", "held_out_template")

_SHOWN = 60


def unfair(arms: Sequence[Arm]) -> Iterator[str]:
    """Yield, in a sentence each, why the arms are not measured alike."""
    yield from _differences(arms, "temperature", lambda p: p.settings.get("temperature"))
    yield from _differences(arms, "max_new_tokens", lambda p: p.settings.get("max_new_tokens"))
    yield from _differences(arms, "evaluation.seed", lambda p: p.settings.get("seed"))
    for key in _SAMPLING:
        yield from _differences(arms, f"rollout.{key}", _reads("rollout", key))
    yield from _differences(arms, "the verifier", _reads("verifier"))
    for key in _ASKING:
        yield from _differences(arms, f"data_mix.{key}", _reads("data_mix", key))
    yield from _overlaps(arms)


def unknown(arms: Sequence[Arm]) -> Iterator[str]:
    """Yield which measurements do not say how they were made."""
    silent = [point.where for arm in arms for point in arm.points if point.config is None]
    if silent:
        yield (
            f"{_some(silent)} {'do' if len(silent) > 1 else 'does'} not say what judged and how "
            "answers were sampled (an earlier etude measured): that was not compared"
        )


def unequal_steps(arms: Sequence[Arm]) -> Iterator[str]:
    """Yield that models were trained for other numbers of steps."""

    def steps(point: Point) -> Any:
        return None if point.stage is None else point.stage.about.get("steps")

    told = list(_differences(arms, "training.steps", steps))
    if told:
        yield f"{told[0]}; --at steps, tokens or time compares at an equal budget"


def _reads(*path: str) -> Callable[[Point], Any]:
    """Return what reads a value of a point's config; None where it is not there."""

    def told(point: Point) -> Any:
        value: Any = point.config or {}
        for key in path:
            value = value.get(key) if isinstance(value, Mapping) else None
        return value

    return told


def _differences(arms: Sequence[Arm], name: str, told: Callable[[Point], Any]) -> Iterator[str]:
    """Yield one sentence where what is told of the points is not the same; unknown is passed."""
    having: dict[str, list[str]] = {}
    for arm in arms:
        for point in arm.points:
            value = told(point)
            if value is not None:
                text = json.dumps(value, sort_keys=True, default=str)
                having.setdefault(text, []).append(arm.label)
    if len(having) > 1:
        said = (f"{_short(text)} for {_some(labels)}" for text, labels in having.items())
        yield f"{name} differs: {', '.join(said)}"


def _short(text: str) -> str:
    named = json.loads(text)
    if isinstance(named, Mapping):
        text = str(named.get("name", text))
    return text if len(text) <= _SHOWN else text[:_SHOWN] + "…"


def _some(names: Sequence[str], most: int = 3) -> str:
    own = list(dict.fromkeys(names))
    return ", ".join(own[:most]) + (f" and {len(own) - most} more" if len(own) > most else "")


def _overlaps(arms: Sequence[Arm]) -> Iterator[str]:
    found: dict[str, list[str]] = {}
    opened: dict[Path, Outputs] = {}
    for arm in arms:
        for point in arm.points:
            for sentence in _told_of(point.stage, opened):
                found.setdefault(sentence, []).append(arm.label)
    for sentence, labels in found.items():
        yield f"{_some(labels)} trained on what is measured: {sentence}"


def _told_of(stage: Stage | None, opened: dict[Path, Outputs]) -> Iterator[str]:
    """Yield what a stage, and those before it, told of rows that they trained on.

    ``opened`` keeps the folders of results that were looked into.
    """
    waiting, seen = [stage], set()
    while waiting:
        one = waiting.pop()
        if one is None or one.folder in seen:
            continue
        seen.add(one.folder)
        place = one.folder.parent.parent
        outputs = opened.setdefault(place, Outputs(place))
        waiting += [outputs.stage(str(each)) for each in one.about.get("parents") or []]
        told = overlaps_in("\n".join(_logs(one)))
        yield from (f"{sentence} ({one.name})" for sentence in told)


def _logs(stage: Stage) -> Iterator[str]:
    for attempt in layout.attempts(stage.folder)[-1:]:
        try:
            yield (attempt / "log").read_text(encoding="utf-8", errors="replace")
        except OSError:
            continue  # a log is no part of what a stage publishes


def overlaps_in(log: str) -> list[str]:
    """Return the sentences of a log about training rows that are measured on, each once."""
    found = [match for match in _OVERLAP.finditer(log) if "dropped" not in match[1]]
    return list(dict.fromkeys(match[0].partition(":")[0] for match in found))
