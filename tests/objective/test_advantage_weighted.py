"""Advantage-weighted learning: which weight a token gets, and that all 0 is plain imitation."""

from __future__ import annotations

import math
from collections.abc import Iterable

import pytest
import torch
from objective_cases import RowForward, composed

from etude.objective.batch import SupervisedBatch, totals_of
from etude.objective.token_weights.step_advantages import StepAdvantages


class Letters:
    """A tokenizer of one letter a token, 0 the end of text."""

    def encode_text(self, text: str) -> tuple[int, ...]:
        return tuple(map(ord, text))

    def encode_response(self, text: str) -> tuple[int, ...]:
        return (*self.encode_text(text), 0)

    def decode(self, tokens: Iterable[int]) -> str:
        return "".join(chr(token) for token in tokens if token)


def test_every_token_carries_the_weight_of_its_step_and_the_end_that_of_the_last() -> None:
    columns = {"step_ends": [3, 5], "step_advantages": [0.5 * math.log(2), -0.5 * math.log(4)]}
    part = StepAdvantages(beta=0.5)
    weights = part.weigh(Letters().encode_response("ab cd"), columns, Letters())
    assert weights == pytest.approx([2, 2, 2, 0.25, 0.25, 0.25])
    capped = StepAdvantages(beta=0.5, cap=1.5).weigh(
        Letters().encode_response("ab cd"), columns, Letters()
    )
    assert capped == pytest.approx([1.5, 1.5, 1.5, 0.25, 0.25, 0.25])


@pytest.mark.parametrize("denominator", ["global_tokens", "per_sequence", "micro"])
def test_without_advantages_it_is_supervised_fine_tuning_and_weights_divide_nothing(
    denominator: str,
) -> None:
    noise = torch.Generator().manual_seed(0)
    logits = torch.randn(3, 4, 5, generator=noise, dtype=torch.float64)
    labels = torch.randint(0, 5, (3, 4), generator=noise)
    mask = torch.tensor([[1, 1, 1, 0], [1, 0, 0, 0], [1, 1, 1, 1]], dtype=torch.float64)
    totals = totals_of(mask, width=4)
    choice = f"objective.denominator={denominator}"

    def loss(name: str, weights: torch.Tensor | None) -> torch.Tensor:
        batch = SupervisedBatch(labels, mask, totals, weights)
        return composed(f"objective={name}", choice).loss(batch, RowForward(logits, labels)).total  # type: ignore[no-any-return]

    plain = loss("sft", None)
    torch.testing.assert_close(loss("advantage_weighted", torch.ones(3, 4).double()), plain)
    torch.testing.assert_close(
        loss("advantage_weighted", torch.full((3, 4), 3.0).double()), 3 * plain
    )
