"""Where a model gained: its change on problems that were easy or hard for another one."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from etude.errors import DataError
from etude.evaluation.statistics import Estimate, paired_difference
from etude.plan.published import check_published
from etude.rows import Outcome

#: Bounds of the other model's pass rate; the last bin holds 1 too.
EDGES = (0.0, 0.25, 0.5, 0.75, 1.0)


@dataclass(frozen=True)
class Stratum:
    """The problems with a pass rate of the base model from ``low`` to below ``high``.

    ``base`` and ``now`` are the mean pass rates of the two models, ``change`` the difference with
    its interval over problems.
    """

    low: float
    high: float
    problems: int
    base: float
    now: float
    change: Estimate

    @property
    def name(self) -> str:
        """Return the bin as a metric's name: ``change/0.25-0.5``."""
        return f"change/{self.low:g}-{self.high:g}"


def by_difficulty(
    base: Mapping[str, float],
    now: Mapping[str, float],
    edges: Sequence[float] = EDGES,
    resamples: int = 1000,
    seed: int = 0,
) -> list[Stratum]:
    """Return the change from ``base`` to ``now`` in bins of ``base``, by problem id.

    Bins without a problem that both were measured on are left out.
    """
    found = []
    for low, high in pairwise(edges):
        last = high == edges[-1]
        ids = [
            n
            for n in sorted(base.keys() & now.keys())
            if low <= base[n] < high or (last and base[n] == high)
        ]
        if not ids:
            continue
        one, other = {n: base[n] for n in ids}, {n: now[n] for n in ids}
        change = paired_difference(one, other, resamples, seed).estimate
        means = [sum(rates.values()) / len(ids) for rates in (one, other)]
        found.append(Stratum(low, high, len(ids), means[0], means[1], change))
    return found


def read_rates(path: Path) -> dict[str, float]:
    """Return problem id → pass rate from the samples of an earlier evaluation; as read_tries."""
    tries = read_tries(path, "evaluation.base=")
    return {name: sum(right) / len(right) for name, right in tries.items()}


def read_tries(path: Path, key: str = "") -> dict[str, list[bool]]:
    """Return problem id → which of its answers were right, from the samples of an evaluation.

    ``path`` is its samples.jsonl, or the folder that holds it, and ``key`` stands before it in
    messages. Raises DataError when there is none, CheckpointError where they are not as the
    evaluation wrote them.
    """
    file = path / "samples.jsonl" if path.is_dir() else path
    check_published(file.parent)
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
        found = tries_by_problem([json.loads(line) for line in lines])
    except (OSError, ValueError, KeyError) as error:
        raise DataError(
            f"{key}{path}: no samples of an evaluation can be read there ({error}); "
            "name a folder outputs/evaluations/NAME, or the samples.jsonl in it"
        ) from error
    if not found:
        raise DataError(f"{key}{path}: the evaluation sampled no answers")
    return found


def correct_by_problem(records: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    """Return problem id → share of its samples that are right, for pairing two evaluations."""
    return {name: sum(right) / len(right) for name, right in tries_by_problem(records).items()}


def tries_by_problem(records: Sequence[Mapping[str, Any]]) -> dict[str, list[bool]]:
    """Return problem id → which of its samples are right, in their order."""
    found: dict[str, list[bool]] = {}
    for record in records:
        found.setdefault(record["id"], []).append(record["outcome"] == Outcome.CORRECT)
    return found
