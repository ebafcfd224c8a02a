"""Answers as rows: the row that an answer makes, and one that goes on with what it was told."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from etude.rollout.episode.interface import Context
from etude.rows import PerToken, Row, Sampled, Span, StopReason

if TYPE_CHECKING:
    from etude.model.policy import Policy


def row_of(role: str, context: Context, answer: Sampled | None, policy: Policy) -> Row:
    """Return the row that an answer makes of a context; None: there was no room for one."""
    before = context.row
    if before is not None:
        return _longer(before, context, answer, policy)
    answer = answer or Sampled((), (), StopReason.LENGTH)
    count = len(answer.tokens)
    return Row(
        prompt_id=context.example.id,
        index=context.index,
        prompt=context.prompt,
        sampled_prompt=context.prompt,
        tokens=answer.tokens,
        loss_mask=[1] * count,
        off_policy=[int(t < len(context.head)) for t in range(count)],
        sampler_logprobs=list(answer.logprobs),
        stop_reason=answer.stop_reason,
        text=policy.answer_text(answer.tokens, context.example, answer.stop_reason),
        example=context.example,
        role=role,
        turn=context.turn,
        parent=context.parent,
        behaviour=answer.combined,
        drawn=max(0, count - len(context.head)),
    )


def _longer(before: Row, context: Context, answer: Sampled | None, policy: Policy) -> Row:
    """Return a row that goes on: what it was told, which is not trained, and what is sampled."""
    if answer is None:
        return dataclasses.replace(
            before, index=context.index, stop_reason=StopReason.LENGTH, verdict=None, drawn=0
        )
    told, new = len(context.told), len(answer.tokens)
    start = len(before.tokens)
    spans = before.spans or (Span(0, start, before.role, before.turn),)
    if told:
        spans += (Span(start, start + told, context.speaker, context.turn, told=True),)
    spans += (Span(start + told, start + told + new, before.role, context.turn),)
    return dataclasses.replace(
        before,
        index=context.index,
        tokens=(*before.tokens, *context.told, *answer.tokens),
        loss_mask=[*before.loss_mask, *([0] * told), *([1] * new)],
        off_policy=[*before.off_policy, *([1] * told), *([0] * new)],
        sampler_logprobs=[*before.sampler_logprobs, *([0.0] * told), *answer.logprobs],
        stop_reason=answer.stop_reason,
        text=policy.answer_text(answer.tokens, before.example, answer.stop_reason),
        verdict=None,
        turn=context.turn,
        parent=context.parent,
        spans=spans,
        tensors={name: _padded(each, told + new) for name, each in before.tensors.items()},
        behaviour=before.behaviour or answer.combined,
        drawn=new,
    )


def _padded(numbers: PerToken, more: int) -> PerToken:
    """Return the numbers of a row that grew by ``more`` tokens, which have none."""
    filling: Any = numbers.missing
    if numbers.values and isinstance(numbers.values[0], Sequence):
        filling = [numbers.missing] * len(numbers.values[0])
    return dataclasses.replace(numbers, values=[*numbers.values, *([filling] * more)])
