"""What a policy-gradient step says of its rows: metrics, and rows for the samples file."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from etude.rows import Outcome, Row, StopReason


def row_metrics(rows: Sequence[Row], weights: Mapping[str, float]) -> dict[str, float]:
    """Return reward, verifier and length metrics of all rows sampled in a step.

    A part's mean is over the rows that have it: a row without a verdict on a part is not a zero.
    """
    outcomes = Counter(row.verdict.outcome for row in rows if row.verdict is not None)
    metrics = {
        "reward/mean": _mean([row.reward for row in rows]),
        "rollout/length": _mean([float(len(row.tokens)) for row in rows]),
        "rollout/truncated": _mean([float(row.stop_reason is StopReason.LENGTH) for row in rows]),
        "rollout/rows": float(len(rows)),
    }
    metrics |= {f"verifier/{o.value}": outcomes[o] / max(1, len(rows)) for o in Outcome}
    names = sorted({name for row in rows if row.verdict for name in row.verdict.parts})
    for name in names:
        given = [row.verdict.parts for row in rows if row.verdict and name in row.verdict.parts]
        raw = _mean([parts[name] for parts in given])
        metrics[f"reward/{name}/raw"] = raw
        if name in weights:
            metrics[f"reward/{name}/weighted"] = raw * weights[name]
    return metrics


def group_metrics(groups: Sequence[Sequence[Row]]) -> dict[str, float]:
    """Return the share of groups with signal, and how the others are degenerate.

    A group has signal when its rewards differ; one without is told apart as all right, all wrong,
    or neither, because "nothing to learn" and "the verifier gives zero to everything" look alike.
    """
    count = max(1, len(groups))
    signal = right = wrong = 0
    for group in groups:
        if len({row.reward for row in group}) > 1:
            signal += 1
        elif all(row.verdict and row.verdict.outcome is Outcome.CORRECT for row in group):
            right += 1
        elif not any(row.verdict and row.verdict.outcome is Outcome.CORRECT for row in group):
            wrong += 1
    return {
        "groups/signal": signal / count,
        "groups/all_correct": right / count,
        "groups/none_correct": wrong / count,
    }


def guidance_metrics(
    counts: Mapping[str, tuple[float, float]], demonstrated: Sequence[Row]
) -> dict[str, float]:
    """Return the means that guidance counted, and what the verifier says of demonstrations."""
    metrics = {name: total / count if count else 0.0 for name, (total, count) in counts.items()}
    if demonstrated:
        right = sum(bool(r.verdict and r.verdict.outcome is Outcome.CORRECT) for r in demonstrated)
        metrics["demonstrations/rows"] = float(len(demonstrated))
        metrics["demonstrations/correct"] = right / len(demonstrated)
    return metrics


def sample_record(row: Row) -> dict[str, Any]:
    """Return what samples.jsonl keeps of a row."""
    verdict = row.verdict
    return {
        "id": row.prompt_id,
        "index": row.index,
        "prompt": row.example.prompt,
        "response": row.text,
        "reward": row.reward,
        "outcome": verdict.outcome.value if verdict else None,
        "parts": dict(verdict.parts) if verdict else {},
        "extracted": verdict.extracted if verdict else None,
        "stop_reason": row.stop_reason.value,
        "length": len(row.tokens),
    }


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values) if values else 0.0
