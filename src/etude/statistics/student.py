"""Student's t distribution, in plain Python: few numbers are asked for, and scipy is heavy."""

from __future__ import annotations

import math
from functools import lru_cache

#: Beyond so many degrees of freedom it is the normal distribution to nine digits and more.
_NORMAL = 1e9
_TINY = 1e-300
_CLOSE = 1e-15


def two_sided(t: float, df: float) -> float:
    """Return the probability that a t of ``df`` degrees of freedom is as far from 0 as ``t``.

    ``df`` may be a fraction or infinite. Raises ValueError where it is not above 0.
    """
    _check(df)
    if math.isinf(t):
        return 0.0
    if df > _NORMAL:
        return math.erfc(abs(t) / math.sqrt(2.0))
    # P(|T| > t) = I_x(df / 2, 1 / 2) with x = df / (df + t²), the regularised incomplete beta.
    return _incomplete_beta(df / (df + t * t), df / 2.0, 0.5)


@lru_cache(maxsize=4096)
def quantile(probability: float, df: float) -> float:
    """Return the t below which a share ``probability`` of the distribution lies.

    Raises ValueError where it is not between 0 and 1, or ``df`` not above 0.
    """
    _check(df)
    if not 0.0 < probability < 1.0:
        raise ValueError(f"a probability is between 0 and 1, not {probability}")
    if probability < 0.5:
        return -quantile(1.0 - probability, df)
    tail = 2.0 * (1.0 - probability)
    low, high = 0.0, 1.0
    while two_sided(high, df) > tail and high < 1e300:
        low, high = high, high * 2.0
    t = (low + high) / 2.0
    for _ in range(200):
        over = two_sided(t, df) - tail
        low, high = (t, high) if over > 0.0 else (low, t)
        step = t + over / (2.0 * _density(t, df))  # Newton's, where it stays inside
        following = step if low < step < high else (low + high) / 2.0
        if abs(following - t) <= _CLOSE * abs(t):
            break
        t = following
    return t


def _density(t: float, df: float) -> float:
    """Return the density of the distribution at ``t``."""
    if df > _NORMAL:
        return math.exp(-t * t / 2.0) / math.sqrt(2.0 * math.pi)
    scale = math.lgamma((df + 1.0) / 2.0) - math.lgamma(df / 2.0) - math.log(df * math.pi) / 2.0
    return math.exp(scale - (df + 1.0) / 2.0 * math.log1p(t * t / df))


def _check(df: float) -> None:
    if not df > 0.0:
        raise ValueError(f"degrees of freedom are above 0, not {df}")


def _incomplete_beta(x: float, a: float, b: float) -> float:
    """Return the regularised incomplete beta function of 0 ≤ x ≤ 1."""
    if x <= 0.0 or x >= 1.0:
        return float(x >= 1.0)
    front = math.exp(
        math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b) + a * math.log(x) + b * math.log1p(-x)
    )
    # The continued fraction converges fast on this side of the mean; the other is its mirror.
    if x < (a + 1.0) / (a + b + 2.0):
        return front * _fraction(x, a, b) / a
    return 1.0 - front * _fraction(1.0 - x, b, a) / b


def _fraction(x: float, a: float, b: float) -> float:
    """Return the continued fraction of the incomplete beta function, by Lentz's method."""
    c, d = 1.0, 1.0 / _away(1.0 - (a + b) * x / (a + 1.0))
    value = d
    for m in range(1, 100_000):
        even = m * (b - m) * x / ((a + 2 * m - 1.0) * (a + 2 * m))
        odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1.0))
        d = 1.0 / _away(1.0 + even * d)
        c = _away(1.0 + even / c)
        value *= d * c
        d = 1.0 / _away(1.0 + odd * d)
        c = _away(1.0 + odd / c)
        value *= d * c
        if abs(d * c - 1.0) < _CLOSE:
            break
    return value


def _away(value: float) -> float:
    """Return a value that may be divided by."""
    return value if abs(value) > _TINY else _TINY
