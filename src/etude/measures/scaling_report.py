"""The laws of loss fitted to several finished runs, checked on one that was left out, and read off.

A *curve* is one run: its size without embeddings, its batch in tokens, and its held-out loss by
step. Order and choice of points are those of arXiv 2403.06563: the law of size from runs that have
converged, the law of steps above its floor, the critical batch from several batches of one size.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from etude.errors import DataError
from etude.measures.scaling_laws import (
    BatchLaw,
    CriticalBatch,
    Laws,
    SizeLaw,
    StepLaw,
    critical_batch,
    fit_batch,
    fit_size,
    fit_steps,
    steps_to,
)

#: Sizes below which a fit is exact whatever the losses are, and says nothing of a further one.
_LEAST_SIZES = 3
_RESAMPLES = 1000

Law = TypeVar("Law")


@dataclass(frozen=True)
class Curve:
    """One run: parameters without embeddings, tokens of a batch, and its losses by step."""

    name: str
    size: float
    batch_tokens: float
    steps: tuple[float, ...]
    losses: tuple[float, ...]


@dataclass(frozen=True)
class Report:
    """What runs of several sizes and batches say.

    ``interval`` is that of α_N over runs drawn with replacement (95 %), ``residuals`` the fit's
    errors in ln L, ``left_out`` the relative error at the largest size when the others predict it.
    ``why_not`` says, law by law, what was missing for one that is None.
    """

    curves: tuple[Curve, ...]
    size: SizeLaw | None
    steps: StepLaw | None
    batch: BatchLaw | None
    levels: tuple[CriticalBatch, ...]
    interval: tuple[float, float] | None
    residuals: dict[str, float]
    left_out: float | None
    why_not: dict[str, str]

    @property
    def sizes(self) -> list[float]:
        """Return the sizes that were measured, each once."""
        return sorted({curve.size for curve in self.curves})

    def laws(self) -> Laws:
        """Return the laws together. Raises DataError where one of them could not be fitted."""
        if self.size is None or self.steps is None or self.batch is None:
            missing = "; ".join(f"{law}: {why}" for law, why in self.why_not.items())
            raise DataError(f"a whole curve needs all three laws ({missing})")
        return Laws(self.size, self.steps, self.batch)

    def least(self, size: float) -> float:
        """Return the least loss of a size. Raises DataError where nothing tells the error of it."""
        if self.size is None:
            raise DataError(f"there is no law of size: {self.why_not['size']}")
        if len(self.sizes) < _LEAST_SIZES:
            raise DataError(
                f"{len(self.sizes)} sizes fit exactly, so nothing tells how wrong a prediction is; "
                f"measure at least {_LEAST_SIZES}"
            )
        return self.size.loss(size)


def fit(curves: Sequence[Curve], *, warmup: int = 0, levels: int = 5, seed: int = 0) -> Report:
    """Return the laws that the curves allow; points up to step ``warmup`` are left out.

    ``levels`` are the losses at which the batches of one size are compared.
    """
    kept = [_without(curve, warmup) for curve in curves]
    if any(not curve.steps for curve in kept):
        empty = next(curve.name for curve in kept if not curve.steps)
        raise DataError(f"{empty} has no held-out loss behind step {warmup}")
    why_not: dict[str, str] = {}
    widest = _widest(kept)
    sizes, ends = [c.size for c in widest], [c.losses[-1] for c in widest]
    size = _tried("size", why_not, lambda: fit_size(sizes, ends))
    steps = None
    largest = widest[-1]
    if size is None:
        why_not["steps"] = "it stands on the law of size"
    else:
        floor = size.loss(largest.size)
        steps = _tried("steps", why_not, lambda: fit_steps(largest.steps, largest.losses, floor))
    found = _levels(kept, levels)
    batch = _tried("batch", why_not, lambda: fit_batch(found))
    residuals = {}
    if size is not None:
        residuals = {c.name: float(np.log(c.losses[-1] / size.loss(c.size))) for c in widest}
    return Report(
        tuple(kept),
        size,
        steps,
        batch,
        tuple(found),
        _interval(sizes, ends, seed),
        residuals,
        _left_out(sizes, ends),
        why_not,
    )


def _without(curve: Curve, warmup: int) -> Curve:
    kept = [(s, v) for s, v in zip(curve.steps, curve.losses, strict=True) if s > warmup]
    steps, losses = tuple(s for s, _ in kept), tuple(v for _, v in kept)
    return Curve(curve.name, curve.size, curve.batch_tokens, steps, losses)


def _widest(curves: Sequence[Curve]) -> list[Curve]:
    """Return the run of each size with the largest batch, smallest size first."""
    best: dict[float, Curve] = {}
    for curve in curves:
        known = best.get(curve.size)
        if known is None or curve.batch_tokens > known.batch_tokens:
            best[curve.size] = curve
    return [best[size] for size in sorted(best)]


def _levels(curves: Sequence[Curve], count: int) -> list[CriticalBatch]:
    """Return the critical batch at losses that all batches of one size passed through."""
    by_size: dict[float, list[Curve]] = {}
    for curve in curves:
        if len(curve.steps) > 1:  # one point passed through no loss
            by_size.setdefault(curve.size, []).append(curve)
    if not by_size:
        return []
    group = max(by_size.values(), key=lambda each: len({c.batch_tokens for c in each}))
    if len({curve.batch_tokens for curve in group}) < 2:
        return []
    high = min(curve.losses[0] for curve in group)
    low = max(min(curve.losses) for curve in group)
    found = []
    for loss in np.linspace(high, low, count + 2)[1:-1]:
        taken = [steps_to(float(loss), curve.steps, curve.losses) for curve in group]
        there = [(c.batch_tokens, s) for c, s in zip(group, taken, strict=True) if s is not None]
        if len({batch for batch, _ in there}) >= 2:
            found.append(critical_batch(float(loss), *map(list, zip(*there, strict=True))))
    return found


def _interval(
    sizes: Sequence[float], losses: Sequence[float], seed: int
) -> tuple[float, float] | None:
    if len(set(sizes)) < _LEAST_SIZES:
        return None
    random = np.random.default_rng(seed)
    x, y = np.array(sizes), np.array(losses)
    alphas = []
    for chosen in random.integers(len(x), size=(_RESAMPLES, len(x))):
        if len(set(x[chosen].tolist())) >= 2:
            slope = np.polyfit(np.log(x[chosen]), np.log(y[chosen]), 1)[0]
            alphas.append(-float(slope))
    low, high = np.quantile(alphas, [0.025, 0.975])
    return float(low), float(high)


def _left_out(sizes: Sequence[float], losses: Sequence[float]) -> float | None:
    if len(set(sizes)) < _LEAST_SIZES:
        return None
    try:
        law = fit_size(sizes[:-1], losses[:-1])
    except DataError:
        return None  # the smaller ones alone show no law
    return law.loss(sizes[-1]) / losses[-1] - 1


def _tried(name: str, why_not: dict[str, str], of: Callable[[], Law]) -> Law | None:
    try:
        return of()
    except DataError as error:
        why_not[name] = str(error)
        return None
