"""What a chain of stages keeps, gains and loses: one matrix of scores, benchmarks by stages.

Shapes: K stages, J benchmarks; scores ``E [K + 1, J]``, row 0 before any stage. After Baker et al.,
"A Domain-Agnostic Approach for Characterization of Lifelong Learning Systems", and the metrics of
arXiv 2201.08278, with a stage for a learning block and a benchmark for a task.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from etude.errors import DataError

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Transfer:
    """How a benchmark moved over a stage that does not train it.

    ``source`` is what the stage trains, ``target`` the benchmark, ``stage`` counts from 0.
    ``contrast`` is (y − x)/(x + y) of the scores before and after and lies from −1 to 1 where no
    score is negative, ``ratio`` is y/x; None where it would be a division by zero. It is
    ``forward`` where no earlier stage trained the target, else backward.
    """

    source: str
    target: str
    stage: int
    forward: bool
    contrast: float | None
    ratio: float | None


@dataclass(frozen=True)
class StageMatrix:
    """The scores of every benchmark before the first stage and after each stage.

    ``trains`` names the benchmarks that each stage trains, none or several. Raises DataError where
    the shapes do not fit, or a name is no benchmark.
    """

    benchmarks: Sequence[str]
    trains: Sequence[Sequence[str]]
    scores: Floats
    stages: Sequence[str] = ()

    def __post_init__(self) -> None:
        wanted = (len(self.trains) + 1, len(self.benchmarks))
        if self.scores.shape != wanted:
            raise DataError(
                f"scores are {list(self.scores.shape)}; {len(self.trains)} stages and "
                f"{len(self.benchmarks)} benchmarks make {list(wanted)}: a row before any stage "
                "and one after each"
            )
        if strange := sorted({n for each in self.trains for n in each} - set(self.benchmarks)):
            raise DataError(
                f"a stage is said to train '{strange[0]}', which is no benchmark; there are "
                f"{', '.join(self.benchmarks)}"
            )

    def trained(self, stage: int, benchmark: str) -> bool:
        """Tell whether a stage, counted from 0, trains a benchmark."""
        return benchmark in self.trains[stage]

    def maintenance(self) -> dict[str, float | None]:
        """Return how each benchmark fared after it was trained; negative is forgetting.

        The mean, over the evaluations after a stage that trains it, of the score less that of the
        last evaluation right behind such a stage. None where it has no such evaluation.
        """
        found: dict[str, float | None] = {}
        for column, name in enumerate(self.benchmarks):
            reference, changes = None, []
            for stage in range(len(self.trains)):
                score = float(self.scores[stage + 1, column])
                if self.trained(stage, name):
                    reference = score
                elif reference is not None:
                    changes.append(score - reference)
            found[name] = mean(changes)
        return found

    def transfers(self) -> list[Transfer]:
        """Return every transfer, by what is trained, then by benchmark, then by stage."""
        found = []
        for stage, trained in enumerate(self.trains):
            source = "+".join(trained) or self._name(stage)
            for column, target in enumerate(self.benchmarks):
                if target in trained:
                    continue
                x, y = self.scores[stage : stage + 2, column].tolist()
                forward = not any(self.trained(earlier, target) for earlier in range(stage))
                contrast = (y - x) / (x + y) if x + y else None
                ratio = y / x if x else None
                found.append(Transfer(source, target, stage, forward, contrast, ratio))
        first = {name: place for place, name in enumerate(self.benchmarks)}
        last = len(first)
        return sorted(
            found, key=lambda t: (first.get(t.source, last), t.source, first[t.target], t.stage)
        )

    def mean_contrast(self, *, forward: bool) -> float | None:
        """Return the mean contrast of the forward or the backward transfers that have one."""
        chosen = [each.contrast for each in self.transfers() if each.forward is forward]
        return mean([each for each in chosen if each is not None])

    @property
    def final_mean(self) -> float:
        """Return the mean over benchmarks after the last stage."""
        return float(self.scores[-1].mean())

    @property
    def mean_evaluation(self) -> float:
        """Return the mean of all scores, that before the first stage included."""
        return float(self.scores.mean())

    def _name(self, stage: int) -> str:
        return self.stages[stage] if self.stages else f"stage {stage}"


def relative_performance(chain: Sequence[float], alone: Sequence[Sequence[float]]) -> float | None:
    """Return how a stage learned in the chain against runs on its task alone; 1 is as well.

    The sum of its training curve over the sum of a single-task curve, both cut to the shorter; the
    mean over the single-task runs. None without one, or where a sum is 0.
    """
    ratios = []
    for curve in alone:
        shared = min(len(chain), len(curve))
        below = sum(curve[:shared])
        if not below:
            return None
        ratios.append(sum(chain[:shared]) / below)
    return mean(ratios)


def sample_efficiency(
    chain: Sequence[float], alone: Sequence[float], limit: float = 0.2
) -> float | None:
    """Return how early and how high a stage's smoothed curve saturates against one run alone.

    ``(saturation / saturation alone) · (experiences alone / experiences)``: saturation is the
    maximum of a curve, and its first index the experiences it took. 0 where the stage saturates
    below ``limit`` of the other or its curve falls; None where one saturates at index 0 or the
    other at 0.
    """
    own, other = np.asarray(chain, dtype=np.float64), np.asarray(alone, dtype=np.float64)
    if not len(own) or not len(other) or other.max() == 0:
        return None
    falls = (np.arange(len(own)) - (len(own) - 1) / 2) @ (own - own.mean()) < 0  # its line does
    if falls or own.max() < limit * other.max():
        return 0.0
    if not own.argmax() or not other.argmax():
        return None
    return float((own.max() / other.max()) * (other.argmax() / own.argmax()))


def smoothed(curve: Sequence[float], window: int) -> list[float]:
    """Return the mean of the last ``window`` values at each place, of fewer at the beginning."""
    values = np.asarray(curve, dtype=np.float64)
    return [float(values[max(0, at - window + 1) : at + 1].mean()) for at in range(len(values))]


def mean(values: Sequence[float]) -> float | None:
    """Return the mean, None of nothing."""
    return float(np.mean(values)) if len(values) else None
