"""How well a policy predicts held-out demonstrations: teacher-forced loss."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from etude.distributed.together import apart
from etude.distributed.world import current
from etude.evaluation.teacher_forced import Read, answer_logits, batches
from etude.execute.watchdog import progress
from etude.model.taught_text import taught_tokens
from etude.rows import Example


@dataclass(frozen=True)
class Demonstrated:
    """Summed loss and number of taught tokens of each demonstration that fits, both ``[P]``."""

    losses: np.ndarray
    tokens: np.ndarray
    left_out: int


@torch.no_grad()
def held_out_loss(
    policy: Any, examples: Sequence[Example], max_length: int, batch_tokens: int = 16384
) -> Demonstrated:
    """Return the loss of every example with a response, end-of-text token included.

    The loss of a token is its negative log-probability in nats, float32, given the prompt and the
    response before it; what is told between turns counts for nothing. Demonstrations of more than
    ``max_length`` tokens are left out and counted.
    Ranks share the batches, and each returns the losses of all.
    """
    rows = [
        (policy.encode_example(example), *taught_tokens(policy, example))
        for example in examples
        if example.response is not None
    ]
    fitting = [row for row in rows if len(row[0]) + len(row[1]) <= max_length]
    lengths = [len(prompt) + len(answer) for prompt, answer, _ in fitting]
    mine = current().share(list(batches(lengths, batch_tokens)))

    def measure() -> np.ndarray:
        losses = np.zeros(len(fitting))
        with policy.measuring():
            for batch in mine:
                losses[batch] = _losses(policy, [fitting[place] for place in batch])
                progress()
        return losses

    losses = np.sum(apart(measure), axis=0)
    return Demonstrated(
        losses, np.array([sum(mask) for _, _, mask in fitting]), len(rows) - len(fitting)
    )


def _losses(policy: Any, rows: Sequence[tuple[*Read, Sequence[int]]]) -> list[float]:
    sums = torch.zeros(len(rows), dtype=torch.float64, device=policy.device)
    taught = torch.tensor([each for _, _, mask in rows for each in mask], device=policy.device)
    start = 0
    for logits, targets, owner in answer_logits(policy, [row[:2] for row in rows]):
        nll = torch.nn.functional.cross_entropy(logits, targets, reduction="none")
        sums.index_add_(0, owner, nll.double() * taught[start : start + len(nll)])
        start += len(nll)
    return sums.tolist()
