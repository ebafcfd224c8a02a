"""Loss and gradient do not depend on micro-batches, padding or the order of rows."""

from __future__ import annotations

import pytest
import torch
from objective_cases import (
    SUITED,
    Rows,
    composed,
    loss_and_gradient,
    presets,
    random_rows,
    with_everything,
)

torch.set_num_threads(1)

TOLERANCE = {torch.float64: 1e-10, torch.float32: 1e-5}
CUTS = {
    "one row each": [[i] for i in range(11)],
    "across groups": [[0, 1, 2], [3, 4, 5, 6, 7], [8], [9, 10]],
    "in another order": [[10, 2, 7, 0, 5], [1, 9, 3], [8, 4, 6]],
}
#: Parts that no preset chooses, with a preset to stand in.
PARTS = {
    "a mean over prompts": ("objective=ghpo", "objective/aggregation=group_mean_token_mean"),
}


def choices() -> list[str]:
    names = list(presets("policy_gradient"))
    return [*names, *(f"{name} with everything" for name in names), *PARTS]


def objective_of(choice: str):  # type: ignore[no-untyped-def]
    if choice in PARTS:
        return composed(*PARTS[choice])
    name, _, everything = choice.partition(" ")
    objective = composed(f"objective={name}", *SUITED.get(name, ()))
    return with_everything(objective) if everything else objective


def assert_equal(objective, rows: Rows, other: Rows, order=None, cuts=None) -> None:  # type: ignore[no-untyped-def]
    tolerance = TOLERANCE[rows.logits.dtype]
    loss, gradient, metrics = loss_and_gradient(objective, rows)
    other_loss, other_gradient, other_metrics = loss_and_gradient(objective, other, cuts=cuts)
    expected = gradient if order is None else gradient[order]
    width = gradient.shape[1]
    assert gradient.abs().max() > 0
    assert (other_gradient[:, width:] == 0).all()
    assert abs(other_loss - loss) <= tolerance * max(1.0, abs(loss))
    difference = (other_gradient[:, :width] - expected).norm() / gradient.norm()
    assert difference <= tolerance
    assert metrics.keys() == other_metrics.keys()
    for name, metric in metrics.items():
        assert other_metrics[name].value() == pytest.approx(
            metric.value(), abs=tolerance, rel=tolerance
        )


@pytest.mark.parametrize("dtype", TOLERANCE, ids=str)
@pytest.mark.parametrize("choice", choices())
def test_micro_batches_change_nothing(choice: str, dtype: torch.dtype) -> None:
    rows = random_rows(dtype)
    for cuts in CUTS.values():
        assert_equal(objective_of(choice), rows, rows, cuts=cuts)


@pytest.mark.parametrize("dtype", TOLERANCE, ids=str)
@pytest.mark.parametrize("choice", choices())
def test_padding_changes_nothing(choice: str, dtype: torch.dtype) -> None:
    rows = random_rows(dtype)
    assert_equal(objective_of(choice), rows, rows.padded(3))


@pytest.mark.parametrize("dtype", TOLERANCE, ids=str)
@pytest.mark.parametrize("choice", choices())
def test_the_order_of_rows_changes_nothing(choice: str, dtype: torch.dtype) -> None:
    rows = random_rows(dtype)
    order = torch.randperm(11, generator=torch.Generator().manual_seed(1))
    assert_equal(objective_of(choice), rows, rows.reordered(order), order=order)


@pytest.mark.parametrize("choice", choices())
def test_equal_input_gives_equal_bits(choice: str) -> None:
    first = loss_and_gradient(objective_of(choice), random_rows(torch.float32))
    again = loss_and_gradient(objective_of(choice), random_rows(torch.float32))
    assert first[0] == again[0]
    assert torch.equal(first[1], again[1])


@pytest.mark.parametrize("choice", choices())
def test_what_is_masked_is_never_read(choice: str) -> None:
    rows, spoilt = random_rows(), random_rows()
    off = spoilt.batch.mask == 0
    spoilt.logits[off] = float("nan")
    for name in ("old_logprobs", "sampler_logprobs"):
        getattr(spoilt.batch, name)[off] = float("nan")
    spoilt.batch.role_logprobs["reference"][off] = float("nan")
    objective = objective_of(choice)
    loss, gradient, _ = loss_and_gradient(objective, rows)
    other_loss, other_gradient, _ = loss_and_gradient(objective, spoilt)
    assert other_loss == loss
    assert torch.equal(other_gradient[~off], gradient[~off])
