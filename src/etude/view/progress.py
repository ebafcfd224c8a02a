"""Where a stage stands: its step, its pace and the figures worth a glance, from its step events."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from statistics import fmean
from typing import Any

from etude.plan.answers import answers
from etude.plan.quantities import count, duration
from etude.schema import Schema
from etude.view.steering import steering, written

#: Steps over which a shown figure is averaged and the pace is measured.
WINDOW = 10


@dataclass(frozen=True)
class Figure:
    """One labelled value of the view; a lower ``rank`` survives longer in a narrow terminal."""

    label: str
    text: str
    rank: int

    def __str__(self) -> str:
        return f"{self.label} {self.text}" if self.label else self.text


@dataclass
class StageProgress:
    """The last steps of one attempt of a stage of ``steps`` steps.

    ``clock`` returns seconds; a test hands in its own.
    """

    name: str
    steps: int
    first_step: int = 0
    clock: Callable[[], float] = time.monotonic
    done: int = 0
    started: float = 0.0
    recent: deque[dict[str, float]] = field(default_factory=lambda: deque(maxlen=WINDOW))
    paces: deque[float] = field(default_factory=lambda: deque(maxlen=WINDOW))
    _last: float = 0.0

    def __post_init__(self) -> None:
        self.done = self.first_step
        self.started = self._last = self.clock()

    def step_done(
        self, step: int, metrics: Mapping[str, float], timing: Mapping[str, float]
    ) -> None:
        """Take in one finished step, numbered from 0."""
        now = self.clock()
        self.paces.append(float(timing.get("seconds", now - self._last)))
        self._last = now
        self.recent.append({**metrics, **{f"timing/{key}": value for key, value in timing.items()}})
        self.done = step + 1

    @property
    def elapsed(self) -> float:
        """Return the seconds since the attempt began."""
        return self.clock() - self.started

    @property
    def left(self) -> float | None:
        """Return the seconds the remaining steps will take at the recent pace, if one is known."""
        paces = tuple(self.paces)
        return fmean(paces) * (self.steps - self.done) if paces else None

    def mean(self, key: str) -> float | None:
        """Return a metric's mean over the recent steps that have it."""
        # A copy, since a live view reads in another thread than the one that adds steps.
        values = [metrics[key] for metrics in tuple(self.recent) if key in metrics]
        return fmean(values) if values else None

    def figures(self) -> list[Figure]:
        """Return what is worth showing, in reading order."""
        recent = tuple(self.recent)
        latest = recent[-1] if recent else {}
        found = list(self._rewards(latest)) or list(self._plain("loss", "loss", 0))
        found += self._share("pass", "verifier/correct", 1)
        found += self._share("signal", "groups/signal", 4)
        found += self._plain("length", "rollout/length", 5, "{:.1f}")
        found += [Figure(name, written(x), 7) for name, x in steering(latest).items()]
        pace = self.mean("timing/tokens_per_second")
        if pace is not None:
            found.append(Figure("", f"{count(pace)} tok/s", 3))
        if self.left is not None and self.done < self.steps:
            found.append(Figure("left", duration(self.left), 2))
        return found

    def _rewards(self, latest: Mapping[str, float]) -> Iterable[Figure]:
        yield from self._plain("reward", "reward/mean", 0)
        passed = self.mean("verifier/correct")
        for key in latest:
            head, _, part = key.partition("/")
            # Parts without a weight are no reward, and one that only repeats the share of right
            # answers is shown once, as that share.
            raw = key.removesuffix("weighted") + "raw"
            if head == "reward" and key.endswith("/weighted") and self.mean(raw) != passed:
                yield from self._plain(part.removesuffix("/weighted"), raw, 6)

    def _plain(self, label: str, key: str, rank: int, form: str = "{:.2f}") -> Iterable[Figure]:
        value = self.mean(key)
        if value is not None:
            yield Figure(label, form.format(value), rank)

    def _share(self, label: str, key: str, rank: int) -> list[Figure]:
        value = self.mean(key)
        return [] if value is None else [Figure(label, f"{value:.0%}", rank)]


def fit(figures: list[Figure], width: int) -> str:
    """Return the figures joined in order, the least important left out until they fit ``width``."""
    kept = list(figures)
    while kept:
        line = "  ".join(str(figure) for figure in kept)
        if len(line) <= width:
            return line
        kept.remove(max(kept, key=lambda figure: figure.rank))
    return ""


def steps_of(node: Any) -> int:
    """Return the number of steps that a stage node's config asks for."""
    training = node.config.get("training") or {}
    return int(training.get("steps") or 0)


def rollouts_of(node: Any, schema: Schema) -> int | None:
    """Return how many answers a stage samples for a prompt; None where it samples no groups."""
    if not schema.learner(getattr(node, "learner", "")).groups:
        return None
    return answers(node.config, schema).most or None
