"""What a measurement says of each problem: the value of a metric, from its judged answers."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from etude.errors import DataError
from etude.evaluation.statistics import majority_at_k, pass_at_k, unreached
from etude.randomness import generator

_AT_K = re.compile(r"(pass|avg|maj)@(\d+)")

#: Metrics of a problem that are a share, so that their mean lies between 0 and 1.
_SHARES = ("pass@", "avg@", "maj@", "out_of_reach", "truncated")

#: What may be compared, for who asks for something else.
KNOWN = "pass@K, maj@K, avg@K, out_of_reach, length, truncated, parts/NAME"


@dataclass(frozen=True)
class Problem:
    """The judged answers to one problem. ``prompt`` and ``answer`` tell it from a namesake."""

    prompt: str
    answer: str
    records: Sequence[Mapping[str, Any]]

    @property
    def correct(self) -> np.ndarray:
        """Return which answers are right, ``[1, K]``."""
        return np.array([[record.get("outcome") == "correct" for record in self.records]])


def problems_of(samples: Sequence[Mapping[str, Any]], where: str) -> dict[str, Problem]:
    """Return problem id → its answers. Raises DataError where there are none to compare."""
    found: dict[str, list[Mapping[str, Any]]] = {}
    for record in samples:
        if "id" in record and "outcome" in record:
            found.setdefault(record["id"], []).append(record)
    if not found:
        raise DataError(f"{where} keeps no judged answers, so it cannot be compared by problem")
    return {
        key: Problem(str(records[0].get("prompt")), str(records[0].get("answer")), records)
        for key, records in found.items()
    }


def source_of(problem: str) -> str:
    """Return the source of a problem's id, ``arithmetic`` of ``arithmetic:1+2``."""
    return problem.partition(":")[0]


def is_share(metric: str) -> bool:
    """Tell whether a metric of a problem is from 0 to 1."""
    return metric.startswith(_SHARES)


def values_of(problems: Mapping[str, Problem], metric: str, where: str) -> dict[str, float]:
    """Return problem id → the value of a metric.

    Problems with as many answers are counted together. Raises DataError for a metric that the
    answers do not have.
    """
    alike: dict[int, list[str]] = {}
    for key, problem in problems.items():
        alike.setdefault(len(problem.records), []).append(key)
    found: dict[str, float] = {}
    for keys in alike.values():
        values = _values([problems[key].records for key in keys], metric, where)
        found |= dict(zip(keys, values, strict=True))
    return found


def _values(rows: Sequence[Sequence[Mapping[str, Any]]], metric: str, where: str) -> list[float]:
    """Return the metric of each problem, of as many answers each."""
    given = _AT_K.fullmatch(metric)
    tries = len(rows[0])
    if given is not None:
        k = int(given[2])
        if not 1 <= k <= tries:
            raise DataError(f"{metric} needs {k} answers to each problem; {where} has {tries}")
        correct = _each(rows, lambda record: record["outcome"] == "correct")
        if given[1] == "pass":
            return pass_at_k(correct, k).tolist()
        if given[1] == "avg":
            return correct[:, :k].mean(axis=1).tolist()
        return majority_at_k(_votes(rows), correct, k, generator("majority", 0, k)).tolist()
    if metric == "out_of_reach":
        correct = _each(rows, lambda record: record["outcome"] == "correct")
        return unreached(correct).astype(float).tolist()
    if metric == "truncated":
        return _each(rows, lambda record: record.get("stop_reason") == "length").mean(1).tolist()
    read = _reader(metric)
    known = rows[0][0].get("parts") or {}
    if read is None or (metric != "length" and metric.removeprefix("parts/") not in known):
        parts = "".join(f", parts/{name}" for name in known)
        raise DataError(
            f"{where} has no '{metric}' of each problem to compare; there are "
            f"{KNOWN.removesuffix(', parts/NAME')}{parts}"
        )
    return [float(np.mean([read(record) for record in records])) for records in rows]


def _reader(metric: str) -> Callable[[Mapping[str, Any]], float] | None:
    """Return what reads a number of an answer, None where no metric is called so."""
    if metric == "length":
        return lambda record: float(record.get("length") or 0)
    if metric.startswith("parts/"):
        name = metric.removeprefix("parts/")
        return lambda record: float((record.get("parts") or {}).get(name) or 0.0)
    return None


def _each(
    rows: Sequence[Sequence[Mapping[str, Any]]], told: Callable[[Mapping[str, Any]], bool]
) -> np.ndarray:
    """Return what is told of every answer, ``[P, K]``."""
    return np.array([[told(record) for record in records] for records in rows], dtype=bool)


def _votes(rows: Sequence[Sequence[Mapping[str, Any]]]) -> np.ndarray:
    """Return the different answers of each problem as numbers, −1 where there is none."""
    votes = np.full((len(rows), len(rows[0])), -1, dtype=np.int64)
    for place, records in enumerate(rows):
        known: dict[str, int] = {}
        for index, record in enumerate(records):
            if record.get("extracted") is not None:
                votes[place, index] = known.setdefault(str(record["extracted"]), len(known))
    return votes
