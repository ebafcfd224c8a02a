"""The mismatch between sampler and trainer: limits of its corrections, and how it adds up."""

from __future__ import annotations

import dataclasses

import pytest
import torch
from objective_cases import CORRECTIONS, composed, loss_and_gradient, random_rows, update_batch

from etude.objective.loss import Largest, Metric, largest_metric
from etude.objective.mismatch.weights import ImportanceWeights

torch.set_num_threads(1)

#: Losses of tokens, and two without a token form.
LOSSES = ("grpo", "gspo", "cispo", "pacs", "drpo")


def agreed(rows):  # type: ignore[no-untyped-def]
    """Return rows whose sampler and trainer agree."""
    batch = dataclasses.replace(rows.batch, sampler_logprobs=rows.batch.old_logprobs.clone())
    return dataclasses.replace(rows, batch=batch)


@pytest.mark.parametrize("name", LOSSES)
def test_a_correction_changes_the_gradient_and_nothing_where_both_agree(name: str) -> None:
    rows, plain = random_rows(), composed(f"objective={name}")
    for correction in CORRECTIONS:
        corrected = dataclasses.replace(plain, mismatch=correction)
        loss, gradient, _ = loss_and_gradient(plain, agreed(rows))
        same = loss_and_gradient(corrected, agreed(rows))
        assert torch.equal(same[0], loss) and torch.equal(same[1], gradient)
        moved = loss_and_gradient(corrected, rows)[1]
        assert (moved - gradient).norm() > 0.01 * gradient.norm()


@pytest.mark.parametrize("name", LOSSES)
def test_a_constant_ratio_multiplies_the_gradient_of_every_loss(name: str) -> None:
    """Where nobody was given a token; a term beside the policy loss is not weighed."""
    rows, plain = random_rows(), composed(f"objective={name}")
    off_policy = torch.zeros_like(rows.batch.mask)
    shifted = rows.batch.old_logprobs - torch.tensor(1.5).log().double()
    batch = dataclasses.replace(rows.batch, off_policy=off_policy, sampler_logprobs=shifted)
    rows = dataclasses.replace(rows, batch=batch)
    plain = dataclasses.replace(plain, regularizer={}, auxiliary={})
    weighed = dataclasses.replace(plain, mismatch=ImportanceWeights())
    expected, found = (loss_and_gradient(each, rows)[1] for each in (plain, weighed))
    torch.testing.assert_close(found, 1.5 * expected)


def test_what_leaves_the_loss_leaves_its_denominators() -> None:
    rows = random_rows()
    objective = composed("objective=dapo")
    dropped = ImportanceWeights("token", "mask", 1.5, 0.7, denominator="kept")
    zeroed = dataclasses.replace(dropped, denominator="all")
    kept, whole = (
        update_batch(dataclasses.replace(objective, mismatch=each), rows)
        for each in (dropped, zeroed)
    )
    outside = dropped.outside(whole)
    assert 0 < int(outside.sum()) == whole.totals.tokens - kept.totals.tokens
    assert not bool((outside & (rows.batch.off_policy > 0)).any())
    assert torch.equal(kept.mask, whole.mask * ~outside)
    assert whole.rollout_weights is not None
    assert bool((whole.rollout_weights[outside] == 0).all())


def test_a_row_beyond_all_numbers_has_a_finite_weight() -> None:
    rows = random_rows()
    far = dataclasses.replace(
        rows.batch, sampler_logprobs=rows.batch.old_logprobs - torch.tensor(1000.0)
    )
    for level in ("token", "sequence", "geometric"):
        for beyond, expected in (("truncate", 2.0), ("mask", 0.0)):
            weights = ImportanceWeights(level, beyond).weights(far)
            assert set(weights.unique().tolist()) == {1.0, expected}  # 1 where nobody sampled


def test_the_largest_of_parts_is_the_largest_of_all() -> None:
    values = torch.tensor([[-3.0, 9.0], [-2.0, -7.0]])
    mask = torch.tensor([[1.0, 0.0], [1.0, 1.0]])
    parts = [largest_metric(values[i : i + 1], mask[i : i + 1]) for i in range(2)]
    nothing = largest_metric(values, torch.zeros_like(mask))
    for whole in (parts[0] + parts[1], parts[1] + parts[0], nothing + parts[0] + parts[1]):
        assert isinstance(whole, Largest)
        assert whole.value() == -2.0 == largest_metric(values, mask).value()
    assert nothing.value() == 0.0 == (nothing + nothing).value()
    assert isinstance(parts[0], Metric)
