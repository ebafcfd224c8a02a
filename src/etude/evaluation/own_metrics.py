"""Metrics that an evaluation returns by name, as an evaluation's JSON: numbers, or one a problem.

A list of numbers, one a problem, is its mean with a percentile bootstrap over problems; a number
alone has no interval.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from contextlib import suppress
from numbers import Real
from typing import Any

import numpy as np

from etude.errors import DataError
from etude.evaluation.interface import Result
from etude.evaluation.statistics import Estimate, bootstrap
from etude.randomness import generator

#: Resamples behind an interval where the evaluation does not say.
RESAMPLES = 1000


def result_of(
    returned: Any,
    *,
    title: str = "the evaluation",
    resamples: int = RESAMPLES,
    seed: int = 0,
    samples: Sequence[Mapping[str, Any]] = (),
    about: Mapping[str, Any] | None = None,
) -> Result:
    """Return the result of metrics by name; raises DataError for what are none.

    ``about`` and ``samples`` are what else its JSON says and what it rests on.
    """
    if not isinstance(returned, Mapping) or not returned:
        raise DataError(
            f"{title} returned {_said(returned)}; it returns its metrics, a dict of names → numbers"
            " (or lists of them, one a problem)"
        )
    metrics = {
        str(name): _metric(value, str(name), title, resamples, seed)
        for name, value in returned.items()
    }
    return Result({"metrics": metrics, **(about or {})}, [dict(each) for each in samples])


def _metric(
    value: Any, name: str, title: str, resamples: int, seed: int
) -> dict[str, float | None]:
    if isinstance(value, Estimate):
        return {**value.as_json()}
    if callable(listed := getattr(value, "tolist", None)):  # an array, or a tensor
        value = listed()
    if isinstance(value, (list, tuple)) and value:
        numbers = np.array([_number(each, name, title) for each in value], dtype=np.float64)
        random = generator("bootstrap", seed)
        return {**bootstrap(numbers[:, None], resamples, random)[0].as_json()}
    return {"value": _number(value, name, title)}


def _number(value: Any, name: str, title: str) -> float:
    if callable(item := getattr(value, "item", None)):
        with suppress(ValueError, TypeError, RuntimeError):  # one of several says below
            value = item()
    if not isinstance(value, Real) or not math.isfinite(float(value)):
        raise DataError(
            f"{title} returned {_said(value)} for the metric '{name}'; it is a finite number, or a"
            " list of them, one a problem"
        )
    return float(value)


def _said(value: Any) -> str:
    if value is None:
        return "nothing (None)"
    shown = repr(value)
    return f"{shown if len(shown) < 60 else shown[:60] + '…'}, a {type(value).__name__}"
