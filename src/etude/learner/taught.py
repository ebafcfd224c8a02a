"""Demonstrations inside reinforcement learning: rows to imitate, and their losses."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from torch import Tensor

from etude.learner.dealing import cut, deal
from etude.learner.forward import forward
from etude.learner.microbatch import collate
from etude.learner.opened import Opened
from etude.learner.tensors import micro_batch, taught_batch
from etude.model.policy import Policy
from etude.objective.batch import Forward, LossBatch
from etude.objective.loss import Loss, Metrics
from etude.primitives.ending import ended
from etude.rows import Example, Row

TaughtLoss = Callable[[LossBatch, Forward], Loss]


def demonstration_row(
    policy: Policy, example: Example, text: str, *, limit: int | None = None
) -> Row:
    """Return a worked solution as a row that is wholly off-policy and wholly taught.

    Of more than ``limit`` tokens the first are kept, and the last of them ends the text.
    """
    prompt = policy.encode_example(example)
    *words, end = policy.encode_response(text, example)
    tokens = ended(words, end, limit)
    return Row(
        prompt_id=example.id,
        index=0,
        prompt=prompt,
        sampled_prompt=prompt,
        tokens=tokens,
        loss_mask=[1] * len(tokens),
        off_policy=[1] * len(tokens),
        example=example,
        text=text,
    )


def demonstration_rows(opened: Opened, count: int) -> list[Row]:
    """Return the next ``count`` demonstrations of the data mix."""
    if not count:
        return []
    examples = [opened.limit.cut(e) for e in opened.stream.demonstrations.next(count)]
    return [demonstration_row(opened.policy, e, e.response or "") for e in examples]


def taught_losses(
    loss: TaughtLoss,
    rows: Sequence[Row],
    policy: Policy,
    metrics: Metrics,
    *,
    token_budget: int,
    width: int,
    temperature: float,
    keys: tuple[int, int, int],
) -> Iterator[Tensor]:
    """Yield the loss of each micro-batch of demonstrations; they add to that of all ``rows``.

    In a world of several ranks those of this rank, whose metrics are still to be merged.

    ``keys`` are the seed, the step and the number of steps of the stage; ``metrics`` grows.
    """
    seed, step, steps = keys
    micro = cut([len(row.prompt) + len(row.tokens) for row in rows], token_budget)
    batch = taught_batch(rows, width, seed=seed, step=step, steps=steps, micro_batches=len(micro))
    for turn in deal(micro):
        part = turn.rows
        chosen = [rows[i] for i in part]
        longest = max(len(row.tokens) for row in chosen)
        small = micro_batch(batch, part, longest, policy.device).clean()
        passed = forward(policy, collate(chosen, pad_id=policy.pad_id), temperature)
        found = loss(small, passed)
        yield turn.loss(found.total, found.metrics, metrics)
