"""Laws of loss by size, steps and batch, fitted to small runs and read off for larger ones.

    L(N)        = (N_c/N)^α_N                                      steps and data without end
    L(N, S_min) = (N_c/N)^α_N + (S_c/S_min)^α_S                    a batch without end
    B_crit(L)   = B_*/L^(1/α_B)                                    tokens
    (S/S_min − 1)(E/E_min − 1) = 1,  E = B·S,  E_min = B_crit·S_min

N counts parameters without embeddings, S steps, B tokens of a batch; losses are nats a token. The
constants hold for one set of data, context length, schedule and tokenizer. arXiv 2001.08361,
1812.06162 and 2403.06563.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from etude.errors import DataError


@dataclass(frozen=True)
class SizeLaw:
    """Loss by size at convergence; ``ln_n_c`` because N_c itself is huge and ill determined."""

    alpha_n: float
    ln_n_c: float

    def loss(self, size: float) -> float:
        """Return the least loss of a model of that size."""
        return math.exp(self.alpha_n * (self.ln_n_c - math.log(size)))


@dataclass(frozen=True)
class StepLaw:
    """What is above the least loss after so many steps of a batch far above the critical one.

    ``dropped`` is how many points lay at or below the least loss and were left out.
    """

    alpha_s: float
    s_c: float
    dropped: int = 0

    def excess(self, steps: float) -> float:
        """Return the loss above that of steps without end."""
        return float((self.s_c / steps) ** self.alpha_s)

    def steps(self, excess: float) -> float:
        """Return the steps, at a batch without end, to that much above the least loss."""
        return float(self.s_c / excess ** (1 / self.alpha_s))


@dataclass(frozen=True)
class BatchLaw:
    """The critical batch in tokens by loss. ``dropped`` are the losses whose fit is unusable."""

    alpha_b: float
    ln_b_star: float
    dropped: tuple[float, ...] = ()

    def critical(self, loss: float) -> float:
        """Return the batch that takes twice the least steps and twice the least tokens."""
        return math.exp(self.ln_b_star - math.log(loss) / self.alpha_b)


@dataclass(frozen=True)
class CriticalBatch:
    """The least steps and the least tokens to one loss, and the batch between them."""

    loss: float
    least_steps: float
    least_tokens: float

    @property
    def batch(self) -> float:
        """Return E_min/S_min."""
        return self.least_tokens / self.least_steps

    @property
    def usable(self) -> bool:
        """Tell whether both are positive."""
        return self.least_steps > 0 and self.least_tokens > 0


@dataclass(frozen=True)
class ToTarget:
    """What it takes to reach a loss: at a batch of a given size, and at the critical one."""

    least_steps: float
    critical_batch: float
    steps: float
    tokens: float
    steps_at_critical: float
    tokens_at_critical: float


@dataclass(frozen=True)
class Laws:
    """The three laws together: whole curves at any batch."""

    size: SizeLaw
    steps: StepLaw
    batch: BatchLaw

    def loss(self, size: float, steps: float, batch_tokens: float) -> float:
        """Return the loss of a model after so many steps of so many tokens.

        The loss stands on both sides, for the critical batch depends on it; the right side falls
        where the left one rises, so there is one, and it is found by halving.
        """
        least = self.size.loss(size)

        def above(loss: float) -> float:
            slowed = 1 + self.batch.critical(loss) / batch_tokens
            return least + self.steps.excess(steps / slowed) - loss

        return _root(above, least * (1 + 1e-15), 1e6)

    def to_target(self, size: float, loss: float, batch_tokens: float) -> ToTarget:
        """Return the steps and tokens to a loss. Raises DataError where it is out of reach."""
        least = self.size.loss(size)
        if loss <= least:
            raise DataError(
                f"a loss of {loss:g} is out of reach of {size:g} parameters, whose least loss by "
                f"the law is {least:g}"
            )
        steps = self.steps.steps(loss - least)
        critical = self.batch.critical(loss)
        return ToTarget(
            least_steps=steps,
            critical_batch=critical,
            steps=steps * (1 + critical / batch_tokens),
            tokens=critical * steps * (1 + batch_tokens / critical),
            steps_at_critical=2 * steps,
            tokens_at_critical=2 * critical * steps,
        )


def fit_size(sizes: Sequence[float], losses: Sequence[float]) -> SizeLaw:
    """Return the law of losses that no longer fall: least squares of ln L on ln N."""
    slope, intercept = _line(np.log(sizes), np.log(losses), "sizes")
    if slope >= 0:
        raise DataError("the loss does not fall with size, so there is no law of size to fit")
    return SizeLaw(-slope, intercept / -slope)


def fit_steps(steps: Sequence[float], losses: Sequence[float], least: float) -> StepLaw:
    """Return the law of one size's curve above its ``least`` loss, warm-up left out by the caller.

    Least squares of ln(L − least) on ln S; points with L ≤ least are dropped and counted.
    """
    above = np.asarray(losses, dtype=np.float64) - least
    kept = above > 0
    x, y = np.log(np.asarray(steps, dtype=np.float64)[kept]), np.log(above[kept])
    slope, intercept = _line(x, y, "steps")
    if slope >= 0:
        raise DataError("the loss does not fall with steps, so there is no law of steps to fit")
    return StepLaw(-slope, math.exp(intercept / -slope), int((~kept).sum()))


def critical_batch(
    loss: float, batch_tokens: Sequence[float], steps: Sequence[float]
) -> CriticalBatch:
    """Return the least steps and tokens to a loss: least squares of S on 1/B over runs."""
    slope, intercept = _line(1 / np.asarray(batch_tokens, dtype=np.float64), steps, "batches")
    return CriticalBatch(loss, intercept, slope)


def fit_batch(levels: Sequence[CriticalBatch]) -> BatchLaw:
    """Return the law of the critical batch: least squares of ln B_crit on ln L."""
    usable = [each for each in levels if each.usable]
    x, y = np.log([each.loss for each in usable]), np.log([each.batch for each in usable])
    slope, intercept = _line(x, y, "losses at which the fit of steps on 1/batch is positive")
    if slope >= 0:
        raise DataError("the critical batch does not grow as the loss falls; there is no law")
    dropped = tuple(each.loss for each in levels if not each.usable)
    return BatchLaw(-1 / slope, intercept, dropped)


def steps_to(loss: float, steps: Sequence[float], losses: Sequence[float]) -> float | None:
    """Return when a curve first reached a loss, ln S read between its points by L; None: never."""
    for place in range(1, len(steps)):
        (s, t), (high, low) = steps[place - 1 : place + 1], losses[place - 1 : place + 1]
        if high > loss >= low:
            return math.exp(
                math.log(s) + (math.log(t) - math.log(s)) * (high - loss) / (high - low)
            )
    return None


def _line(x: Sequence[float] | np.ndarray, y: Sequence[float] | np.ndarray, what: str) -> tuple:
    """Return slope and intercept of least squares; raises DataError where x is one point."""
    x, y = np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.float64)
    different = len(set(x.tolist()))
    if different < 2:
        raise DataError(f"a law is fitted to at least two {what}; there are {different}")
    if not (np.isfinite(x).all() and np.isfinite(y).all()):
        raise DataError(f"a law is fitted to positive finite numbers; some of the {what} are not")
    centred = x - x.mean()
    slope = float(centred @ (y - y.mean()) / (centred @ centred))
    return slope, float(y.mean() - slope * x.mean())


def _root(falling: object, low: float, high: float) -> float:
    """Return where a falling function of a positive number is 0, to the last bit, by halving."""
    assert callable(falling)
    for _ in range(200):
        middle = math.sqrt(low * high) if high > 4 * low else (low + high) / 2
        if middle in (low, high):
            break
        low, high = (middle, high) if falling(middle) > 0 else (low, middle)
    return low
