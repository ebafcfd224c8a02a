"""What has happened in a run so far: the facts that its closing table is made of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from etude.view.steering import steering


@dataclass
class StageRecord:
    """How one stage went: ``state`` is waiting, running, done, skipped or failed.

    ``problem`` says what is left to do about a failure whose cause was told when it came.
    ``steered`` has the first and the last of the numbers that steered it, by label.
    """

    state: str = "waiting"
    seconds: float = 0.0
    folder: str = ""
    problem: str = ""
    steered: dict[str, tuple[float, float]] = field(default_factory=dict)

    def step_done(self, metrics: Mapping[str, float]) -> None:
        """Take in what steered a step."""
        for label, value in steering(metrics).items():
            first, _ = self.steered.get(label, (value, value))
            self.steered[label] = (first, value)


@dataclass
class RunRecord:
    """The stages and evaluations of a run by fingerprint; ``unmeasured`` names what failed."""

    stages: dict[str, StageRecord] = field(default_factory=dict)
    evaluations: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    #: Evaluations that failed, by fingerprint: the names of the models.
    unmeasured: dict[str, str] = field(default_factory=dict)

    def stage(self, fingerprint: str) -> StageRecord:
        """Return the record of a stage, made on first mention."""
        return self.stages.setdefault(fingerprint, StageRecord())

    def metrics(self, evaluation: str | None) -> Mapping[str, Any]:
        """Return the metrics of an evaluation by its fingerprint; empty when it was not made."""
        if evaluation is None:
            return {}
        metrics = self.evaluations.get(evaluation, {}).get("metrics")
        return metrics if isinstance(metrics, Mapping) else {}


def interval(metric: Any) -> str:
    """Return ``0.55 [0.52, 0.58]`` for an evaluation's metric, or a bare number, or ``–``."""
    if isinstance(metric, Mapping):
        value, low, high = metric.get("value"), metric.get("low"), metric.get("high")
        if not isinstance(value, (int, float)):
            return "–"
        if not isinstance(low, (int, float)) or not isinstance(high, (int, float)):
            return f"{value:.2f}"
        return f"{value:.2f} [{low:.2f}, {high:.2f}]"
    return f"{metric:.2f}" if isinstance(metric, (int, float)) else "–"


def summary(evaluation: Mapping[str, Any], most: int = 6) -> str:
    """Return an evaluation's measures in one line, without repeating one (avg@8 is pass@1)."""
    metrics = evaluation.get("metrics")
    if not isinstance(metrics, Mapping) or not metrics:
        return "no metrics"
    said: dict[str, str] = {}
    for name, value in metrics.items():
        text = interval(value)
        if text not in said.values() and ("[" in text or name == "loss"):
            said[name] = text
    first = list(said.items())[:most] or [(n, interval(v)) for n, v in metrics.items()][:most]
    return "  ".join(f"{name} {text}" for name, text in first)
