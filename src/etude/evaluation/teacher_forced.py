"""What a model makes of texts that are there already: the log-probs of their tokens."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from etude.distributed.together import apart
from etude.distributed.world import current
from etude.execute.watchdog import progress

#: Logits held at once, in elements.
_CHUNK = 1 << 26

#: Tokens of a prompt, and of what follows it.
Read = tuple[Sequence[int], Sequence[int]]


@dataclass(frozen=True)
class TokenLogprobs:
    """The log-probs ``[n]`` of the tokens of an answer, nats, full distribution, float32.

    ``top`` ``[n, K]`` are those of the likeliest tokens in the place of each, greatest first, where
    they were asked for.
    """

    logprobs: NDArray[np.float64]
    top: NDArray[np.float64] | None = None


@torch.no_grad()
def token_logprobs(
    policy: Any, rows: Sequence[Read], *, top: int = 0, batch_tokens: int = 16384
) -> list[TokenLogprobs]:
    """Return the log-probs of each row's answer given its prompt and the tokens before.

    ``top`` asks for those of the likeliest tokens too, all of the vocabulary where it is larger
    than that. Ranks share the rows, and each returns those of all.
    """
    world = current()
    mine = world.share(range(len(rows)))

    def measure() -> list[TokenLogprobs]:
        found: dict[int, TokenLogprobs] = {}
        lengths = [len(rows[place][0]) + len(rows[place][1]) for place in mine]
        with policy.measuring():
            for batch in batches(lengths, batch_tokens):
                places = [mine[each] for each in batch]
                chunks = list(_of_batch(policy, [rows[place] for place in places], top))
                found |= zip(places, _split(chunks, [rows[p][1] for p in places]), strict=True)
                progress()
        return [found[place] for place in mine]

    return world.merged(apart(measure))


def batches(lengths: Sequence[int], budget: int) -> Iterator[list[int]]:
    """Yield positions of rows of like length whose padded size stays within the budget."""
    batch: list[int] = []
    for place in np.argsort(lengths, kind="stable").tolist():
        if batch and lengths[place] * (len(batch) + 1) > budget:
            yield batch
            batch = []
        batch.append(place)
    if batch:
        yield batch


def answer_logits(policy: Any, rows: Sequence[Read]) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
    """Yield the logits ``[M, V]``, float32, that the tokens of answers were predicted by.

    With them those tokens ``[M]`` and the number ``[M]`` of the row that each is of, row by row and
    a part at a time: the vocabulary is the widest thing there is.
    """
    width = max(len(prompt) + len(answer) for prompt, answer in rows)
    tokens = torch.full((len(rows), width), policy.pad_id, dtype=torch.long)
    attended = torch.zeros_like(tokens)
    taught = torch.zeros((len(rows), width), dtype=torch.bool)
    for place, (prompt, answer) in enumerate(rows):
        length = len(prompt) + len(answer)
        tokens[place, :length] = torch.tensor([*prompt, *answer])
        attended[place, :length] = 1
        taught[place, len(prompt) : length] = True
    tokens, attended, taught = (each.to(policy.device) for each in (tokens, attended, taught))
    with policy.precision():
        states = policy.states(input_ids=tokens, attention_mask=attended)
        states = states[:, :-1][taught[:, 1:]]
    targets, owner = tokens[:, 1:][taught[:, 1:]], torch.nonzero(taught[:, 1:])[:, 0]
    count = max(1, _CHUNK // int(policy.causal_lm.config.vocab_size))
    for start in range(0, len(states), count):
        part = slice(start, start + count)
        with policy.precision():
            logits = policy.logits_of(states[part])
        yield logits.float(), targets[part], owner[part]


def _of_batch(policy: Any, rows: Sequence[Read], top: int) -> Iterator[tuple[Tensor, Tensor]]:
    for logits, targets, _ in answer_logits(policy, rows):
        logprobs = logits.log_softmax(-1)
        likeliest = logprobs.topk(min(top, logprobs.shape[-1]), dim=-1).values
        yield logprobs.gather(-1, targets[:, None])[:, 0].cpu(), likeliest.cpu()


def _split(
    chunks: Sequence[tuple[Tensor, Tensor]], answers: Sequence[Sequence[int]]
) -> Iterator[TokenLogprobs]:
    if not chunks:  # every answer is empty
        yield from (TokenLogprobs(np.zeros(0), np.zeros((0, 0))) for _ in answers)
        return
    own, top = (torch.cat(each).double().numpy() for each in zip(*chunks, strict=True))
    start = 0
    for answer in answers:
        part = slice(start, start + len(answer))
        yield TokenLogprobs(own[part], top[part] if top.shape[1] else None)
        start += len(answer)
