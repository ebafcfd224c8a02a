"""Which of a stage's models it hands on: the last, or the one that an evaluation found best."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from etude.config.evaluations import MAIN, metric_of

LAST, BEST = "last", "best"

#: A metric with this before it is better the less it is.
_LEAST = "-"


@dataclass(frozen=True)
class Chosen:
    """What chooses the model: a metric of an evaluation, empty for the first that it is known by.

    ``least`` says that less is better of it. ``written`` is the value as it was typed.
    """

    evaluation: str
    metric: str
    least: bool
    written: str


def chosen_by(config: Mapping[str, Any]) -> Chosen | None:
    """Return what chooses the model that a stage hands on; None where it is the last."""
    written = (config.get("training") or {}).get("hand_on")
    if not isinstance(written, str) or written == LAST:
        return None
    if written == BEST:
        return Chosen(MAIN, "", least=False, written=written)
    name, metric = metric_of(written.removeprefix(_LEAST), config)
    return Chosen(name, metric, written.startswith(_LEAST) or metric == "loss", written)


def plainly(chosen: Chosen) -> str:
    """Return a choice as it is written at its shortest: main is understood."""
    if chosen.evaluation != MAIN or not chosen.metric:
        return chosen.written
    return chosen.written.removesuffix(chosen.metric).removesuffix(f"{MAIN}/") + chosen.metric
