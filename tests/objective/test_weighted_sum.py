"""Named parts become one reward by their weights."""

from __future__ import annotations

import pytest
import torch

from etude.errors import ConfigError
from etude.reward_weighting.weighted_sum import WeightedSum

PARTS = {"accuracy": torch.tensor([1.0, 0.0]), "format": torch.tensor([1.0, 1.0])}


def test_the_default_is_accuracy_and_a_tenth_of_format() -> None:
    assert WeightedSum().combine(PARTS).tolist() == pytest.approx([1.1, 0.1])


def test_a_part_without_a_weight_is_not_used() -> None:
    parts = {**PARTS, "length": torch.tensor([9.0, 9.0])}
    assert torch.equal(WeightedSum().combine(parts), WeightedSum().combine(PARTS))


def test_no_weights_give_no_reward() -> None:
    assert WeightedSum(weights={}).combine(PARTS).tolist() == [0.0, 0.0]


def test_an_offset_makes_a_missing_part_cost_what_it_would_give() -> None:
    parts = {"accuracy": torch.tensor([1.0, 1.0, 0.0]), "thought": torch.tensor([1.0, 0.0, 0.0])}
    weighting = WeightedSum(weights={"accuracy": 1.0, "thought": 0.1}, offset=-0.1)
    assert weighting.combine(parts).tolist() == pytest.approx([1.0, 0.9, -0.1])


def test_a_weight_on_a_part_that_is_not_given_is_an_error_that_names_it() -> None:
    with pytest.raises(ConfigError, match=r"reward_weighting\.weights\.style.*accuracy, format"):
        WeightedSum(weights={"accuracy": 1.0, "style": 0.5}).combine(PARTS)
