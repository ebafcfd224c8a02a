"""How the members of a sweep compare, as a table and as facts of a record of its own."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

from etude.plan.nodes import Graph

if TYPE_CHECKING:
    from etude.comparing.comparison import Comparison, Versus

#: The columns of the table: an arm, then its difference from the one that all are compared with.
COLUMNS = (
    "arm", "seeds", "mean", "low", "high", "before", "difference", "difference_low",
    "difference_high", "p_holm", "clear", "better", "worse", "seconds",
)  # fmt: skip


def found_in(graph: Graph) -> Comparison | None:
    """Return the comparison of a sweep's members, None where there is none to make."""
    if graph.folder is None:
        return None
    from etude.comparing.sweep import compared  # numpy

    return compared(graph.folder)


def as_table_of(found: Comparison) -> tuple[list[str], list[list[Any]]]:
    """Return column names and a row for each arm; p and ``clear`` are corrected for all of them."""
    against = {each.arm: each for each in found.versus}
    rows = []
    for arm in found.arms:
        own = [arm.label, float(arm.seeds), arm.mean.value, arm.mean.low, arm.mean.high, arm.before]
        rows.append([*own, *_difference(against.get(arm.label)), arm.seconds])
    return list(COLUMNS), rows


def as_facts(found: Comparison) -> dict[str, Any]:
    """Return what a comparison comes to: its measure, the best arm and how many differ clearly."""
    best = max(found.arms, key=lambda arm: arm.mean.value)
    return {
        "metric": found.metric,
        "problems": found.problems,
        "against": found.against,
        "highest": best.label,
        "highest_mean": best.mean.value,
        "clear_differences": sum(each.clear for each in found.versus),
        "comparisons": len(found.versus),
        "not_fair": "; ".join(found.unfair),
    }


def identity_of(graph: Graph) -> str:
    """Return the name under which a sweep is known: the same for the same stages."""
    text = "\n".join(sorted(graph.stages))
    return f"sweep-{hashlib.sha256(text.encode()).hexdigest()[:12]}"


def _difference(one: Versus | None) -> list[Any]:
    if one is None:
        return [None] * 7
    low, high = one.effect.interval()
    numbers = [float(one.effect.value), float(low), float(high), float(one.p_holm)]
    return [*numbers, bool(one.clear), float(one.better), float(one.worse)]
