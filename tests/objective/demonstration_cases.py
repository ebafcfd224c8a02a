"""Random demonstrations to run a supervised objective on, whole, in parts and padded."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from etude.objective.batch import SupervisedBatch, totals_of
from etude.objective.supervised import Supervised
from etude.primitives.distribution import entropy_of
from token_logprobs import logprobs_of

#: Trained tokens of four rows, and the width of the longest.
LENGTHS = (4, 6, 1, 0)
WIDTH, VOCABULARY = 6, 5


@dataclass
class Given:
    """A forward pass that returns given logits of the model and of a teacher."""

    given: Tensor
    labels: Tensor
    teacher: Tensor | None = None

    @property
    def logprobs(self) -> Tensor:
        return logprobs_of(self.given, self.labels)

    def entropy(self) -> Tensor:
        return entropy_of(self.given)

    def logits(self) -> Tensor:
        return self.given

    def reference_logits(self) -> Tensor:
        raise AssertionError("nothing here asks for a reference")

    def teacher_logits(self) -> Tensor:
        assert self.teacher is not None, "the teacher is asked for"
        return self.teacher


def draw(*shape: int, seed: int) -> Tensor:
    """Return normal numbers in float64."""
    noise = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=noise, dtype=torch.float64)


def run(
    objective: Supervised,
    cuts: list[list[int]] | None = None,
    *,
    padding: int = 0,
    teacher: Tensor | None = None,
    weights: Tensor | None = None,
) -> tuple[float, Tensor]:
    """Return the loss of the four rows and its gradient at the logits, ``[4, WIDTH, V]``.

    ``cuts`` are the micro-batches; ``padding`` columns hold numbers that must not matter.
    """

    def padded(x: Tensor, value: float) -> Tensor:
        return torch.cat([x, torch.full((4, padding, *x.shape[2:]), value).to(x)], 1)

    logits = padded(draw(4, WIDTH, VOCABULARY, seed=1), 9.0).requires_grad_()
    labels = padded(draw(4, WIDTH, seed=2).abs().long() % VOCABULARY, 1.0)
    mask = (torch.arange(WIDTH + padding) < torch.tensor(LENGTHS).unsqueeze(-1)).double()
    teacher = None if teacher is None else padded(teacher, 5.0)
    weights = None if weights is None else padded(weights, 7.0)
    cuts = cuts or [[0, 1, 2, 3]]
    weight = 0.0 if weights is None else float((weights * mask).sum())
    plain = totals_of(mask, width=WIDTH, micro_batches=len(cuts))
    totals = type(plain)(**{**plain.__dict__, "weight": weight})
    total = 0.0
    for cut in cuts:
        at = torch.tensor(cut)
        batch = SupervisedBatch(
            labels[at], mask[at], totals, None if weights is None else weights[at]
        )
        passed = Given(logits[at], labels[at], None if teacher is None else teacher[at])
        loss = objective.loss(batch, passed).total
        loss.backward()
        total += float(loss.detach())
    assert logits.grad is not None
    assert not logits.grad[:, WIDTH:].any()
    return total, logits.grad[:, :WIDTH]
