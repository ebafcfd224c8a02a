"""What a policy-gradient step says of its rows: metrics, and rows for the samples file."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from etude.learner.rollouts import is_judged
from etude.rows import Outcome, Row, Span, StopReason

if TYPE_CHECKING:
    from etude.model.policy import Policy


def row_metrics(rows: Sequence[Row], weights: Mapping[str, float] | None) -> dict[str, float]:
    """Return reward, verifier and length metrics of all rows sampled in a step.

    ``weights`` are what parts count in the reward, None where it is no weighted sum of them.
    Means are over the rows that have the number: a row that the verifier failed on has no reward,
    and where no answer is right there is no length of right ones.
    """
    outcomes = Counter(row.verdict.outcome for row in rows if row.verdict is not None)
    metrics = {
        **_spread("reward/{}", [row.reward for row in rows if is_judged(row) and has_reward(row)]),
        **_lengths(rows),
        "rollout/truncated": _mean([float(row.stop_reason is StopReason.LENGTH) for row in rows]),
        "rollout/rows": float(len(rows)),
    }
    metrics |= {f"verifier/{o.value}": outcomes[o] / max(1, len(rows)) for o in Outcome}
    metrics |= _credits(rows) | _episodes(rows)
    names = sorted({name for row in rows if row.verdict for name in row.verdict.parts})
    for name in names:
        given = [row.verdict.parts for row in rows if row.verdict and name in row.verdict.parts]
        raw = _mean([parts[name] for parts in given])
        metrics[f"reward/{name}/raw"] = raw
        if weights is not None and name in weights:
            metrics[f"reward/{name}/weighted"] = raw * weights[name]
    return metrics


def _credits(rows: Sequence[Row]) -> dict[str, float]:
    """Return how much is right of partial answers, and the tokens that judging took a row."""
    verdicts = [row.verdict for row in rows if row.verdict is not None]
    partial = [v.credit or 0.0 for v in verdicts if v.outcome is Outcome.PARTIAL]
    asked = [float(v.tokens) for v in verdicts if v.tokens is not None]
    found = {"verifier/partial_share": _mean(partial)} if partial else {}
    if asked:
        found |= {"verifier/tokens": sum(asked), "verifier/asked": len(asked) / len(rows)}
    return found


def _episodes(rows: Sequence[Row]) -> dict[str, float]:
    """Return the numbers of episodes with an environment, and the shares of why they ended."""
    counts = [row.ended.counts() for row in rows if row.ended is not None]
    if not counts:
        return {}
    found = {f"environment/{name}": _mean([each[name] for each in counts]) for name in counts[0]}
    called = [each for each in counts if each["calls"]]  # of the others no call went wrong
    for name in ("calls_malformed", "calls_failed"):
        found[f"environment/{name}"] = _mean([each[name] for each in called])
    stops = Counter(row.stop_reason for row in rows if row.ended is not None)
    return found | {f"environment/stop_{r.value}": stops[r] / len(counts) for r in StopReason}


def judging_seconds(rows: Sequence[Row]) -> dict[str, float]:
    """Return the seconds that judging took a row: in the middle, at the 99th percentile, at most.

    They are for timing.jsonl: metrics and samples of a step are those of its seed.
    """
    taken = sorted(
        row.verdict.seconds for row in rows if row.verdict and row.verdict.seconds is not None
    )
    if not taken:
        return {}
    return {
        "seconds/verifier_p50": taken[(len(taken) - 1) // 2],
        "seconds/verifier_p99": taken[math.ceil(0.99 * len(taken)) - 1],
        "seconds/verifier_max": taken[-1],
    }


def has_reward(row: Row) -> bool:
    """Return whether a row has a reward: one of a dropped group may have none of its own (nan)."""
    return not math.isnan(row.reward)


def _spread(name: str, values: Sequence[float]) -> dict[str, float]:
    """Return mean, standard deviation (of these values themselves), least and greatest value."""
    mean = _mean(values)
    return {
        name.format("mean"): mean,
        name.format("std"): math.sqrt(_mean([(value - mean) ** 2 for value in values])),
        name.format("min"): min(values, default=0.0),
        name.format("max"): max(values, default=0.0),
    }


def _lengths(rows: Sequence[Row]) -> dict[str, float]:
    """Return the tokens of answers: of all, and of those that are right, wrong or ended."""
    found = {"rollout/length": _mean([float(row.length) for row in rows])}
    kinds = {
        "correct": [row for row in rows if row.verdict and row.verdict.outcome is Outcome.CORRECT],
        "wrong": [row for row in rows if row.verdict and row.verdict.outcome is Outcome.WRONG],
        "finished": [row for row in rows if row.stop_reason is not StopReason.LENGTH],
    }
    for kind, some in kinds.items():
        if some:
            found[f"rollout/length_{kind}"] = _mean([float(row.length) for row in some])
    lengths = [float(row.length) for row in rows]
    found["rollout/length_min"] = min(lengths, default=0.0)
    found["rollout/length_max"] = max(lengths, default=0.0)
    return found


def group_metrics(groups: Sequence[Sequence[Row]]) -> dict[str, float]:
    """Return the share of groups with signal, and how the others are degenerate.

    A group has signal when its rewards differ; one without is told apart as all right, all wrong,
    or neither, because "nothing to learn" and "the verifier gives zero to everything" look alike.
    ``groups/pass@n`` is the share of groups in which any answer is right.
    """
    count = max(1, len(groups))
    signal = right = wrong = solved = 0
    for group in groups:
        solved += any(row.verdict and row.verdict.outcome is Outcome.CORRECT for row in group)
        if len({row.reward for row in group if has_reward(row)}) > 1:
            signal += 1
        elif all(row.verdict and row.verdict.outcome is Outcome.CORRECT for row in group):
            right += 1
        elif not any(row.verdict and row.verdict.outcome is Outcome.CORRECT for row in group):
            wrong += 1
    return {
        "groups/pass@n": solved / count,
        "groups/signal": signal / count,
        "groups/all_correct": right / count,
        "groups/none_correct": wrong / count,
    }


def size_metrics(groups: Sequence[Sequence[Row]]) -> dict[str, float]:
    """Return how many judged answers the prompts of a step have, where sizes are planned."""
    sizes = [float(len(group)) for group in groups]
    return {
        "groups/size": _mean(sizes),
        "groups/size_min": min(sizes, default=0.0),
        "groups/size_max": max(sizes, default=0.0),
    }


def written_tokens(rows: Sequence[Row]) -> int:
    """Return how many tokens were sampled for rows, those that several of them share once."""
    return sum(row.drawn for row in rows)


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


def sample_record(row: Row, policy: Policy) -> dict[str, Any]:
    """Return what samples.jsonl keeps of a row; ``policy`` is what sampled it.

    ``rendered`` is the prompt as the model read it: the chat template applied, special tokens as
    text. ``answer`` is the gold, ``detail`` why the verifier failed or judged as it did. Of an
    episode of several turns, ``turns`` are all of them, and ``response`` is the last.
    """
    verdict = row.verdict
    found = {
        "id": row.prompt_id,
        "index": row.index,
        "prompt": row.example.prompt,
        "rendered": policy.rendered(row.sampled_prompt or row.prompt),
        "response": row.text,
        "answer": row.example.columns.get("answer"),
        "reward": row.reward if has_reward(row) else None,
        "outcome": verdict.outcome.value if verdict else None,
        "parts": dict(verdict.parts) if verdict else {},
        "extracted": verdict.extracted if verdict else None,
        "detail": verdict.detail if verdict else None,
        "stop_reason": row.stop_reason.value,
        "length": row.length,
    }
    if verdict is not None and verdict.outcome is Outcome.PARTIAL:
        found["share"] = verdict.credit
    if verdict is not None and verdict.tokens is not None:
        found["judging_tokens"] = verdict.tokens
    if row.ended is not None:
        found["environment"] = row.ended.record()
    if row.spans:
        found["turns"] = [
            {"role": span.role, "text": _said(row, span, policy)} for span in row.spans
        ]
    return found


def _said(row: Row, span: Span, policy: Policy) -> str:
    """Return what was said in a turn; of what was told, as the model read it."""
    tokens = row.tokens[span.start : span.end]
    return policy.rendered(tokens) if span.told else policy.answer_text(tokens, row.example)


def worth_showing(trained: Sequence[Row], sampled: Sequence[Row], most: int) -> list[Row]:
    """Return the rows of a step for samples.jsonl: a few that the verifier failed on come first."""
    failed = [row for row in sampled if row.verdict is not None and row.verdict.outcome.failed]
    return [*failed[: max(1, most // 8)], *trained][:most]


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values) if values else 0.0
