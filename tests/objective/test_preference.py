"""The preference objective: limit cases of DPO, and what must not change its numbers."""

from __future__ import annotations

import dataclasses
import math

import pytest
import torch
from objective_cases import RowForward, composed
from torch import Tensor

from etude.errors import ModelError
from etude.objective.loss import ScalarLoss
from etude.objective.pair_loss.kind import PairLoss
from etude.objective.pairs import PairBatch, PairTotals, Side
from etude.objective.preference import Preference


def pairs(seed: int = 0, *, width: int = 6) -> dict[str, Tensor]:
    """Return five pairs with logits that play the policy's parameters."""
    noise = torch.Generator().manual_seed(seed)
    found: dict[str, Tensor] = {}
    for name, lengths in (("chosen", [3, 1, 6, 2, 4]), ("rejected", [2, 5, 1, 2, 6])):
        columns = torch.arange(width)
        found[f"{name}_mask"] = (columns < torch.tensor(lengths).unsqueeze(-1)).double()
        found[name] = torch.randn(5, width, 7, generator=noise, dtype=torch.float64)
        found[f"{name}_tokens"] = torch.randint(0, 7, (5, width), generator=noise)
        shift = torch.randn(5, width, generator=noise, dtype=torch.float64)
        found[f"{name}_reference"] = -1.5 + 0.3 * shift
    return found


def batch_of(given: dict[str, Tensor], rows: list[int] | None = None, total: int = 5) -> PairBatch:
    at = torch.tensor(rows if rows is not None else list(range(5)))
    sides = {
        name: Side(
            RowForward(given[name][at], given[f"{name}_tokens"][at]),
            given[f"{name}_mask"][at],
            given[f"{name}_reference"][at],
        )
        for name in ("chosen", "rejected")
    }
    totals = PairTotals(total, int(given["chosen_mask"].sum()), int(given["rejected_mask"].sum()))
    return PairBatch(**sides, seeds=at, totals=totals)


def loss_and_gradient(
    given: dict[str, Tensor], cuts: list[list[int]]
) -> tuple[float, Tensor, Tensor]:
    leaves = {name: given[name].clone().requires_grad_() for name in ("chosen", "rejected")}
    total = 0.0
    for cut in cuts:
        loss = composed("objective=dpo").loss(batch_of({**given, **leaves}, cut)).total
        loss.backward()
        total += loss.item()
    return total, leaves["chosen"].grad, leaves["rejected"].grad  # type: ignore[return-value]


def test_at_the_reference_the_loss_is_ln_2_and_no_pair_counts_as_told_apart() -> None:
    given = pairs()
    for name in ("chosen", "rejected"):
        forward = RowForward(given[name], given[f"{name}_tokens"])
        given[f"{name}_reference"] = forward.logprobs
    loss = composed("objective=dpo").loss(batch_of(given))
    assert loss.total.item() == pytest.approx(math.log(2))
    assert loss.metrics["preference/accuracy"].value() == 0.0
    assert loss.metrics["preference/margin"].value() == 0.0


def test_the_gradient_of_a_pair_is_beta_times_how_wrong_it_is() -> None:
    given = pairs()
    batch = batch_of(given)
    leaves = {}
    for name in ("chosen", "rejected"):
        leaves[name] = getattr(batch, name).logprobs.detach().clone().requires_grad_()
    sides = {
        name: dataclasses.replace(getattr(batch, name), forward=Given(leaf))
        for name, leaf in leaves.items()
    }
    batch = dataclasses.replace(batch, **sides)
    objective = composed("objective=dpo", "objective.pair_loss.beta=0.3")
    objective.loss(batch).total.backward()
    chosen, rejected = objective.pair_loss.rewards(batch)
    wrong = torch.sigmoid(rejected - chosen).detach().unsqueeze(-1) * 0.3 / 5
    torch.testing.assert_close(leaves["chosen"].grad, -wrong * given["chosen_mask"])
    torch.testing.assert_close(leaves["rejected"].grad, wrong * given["rejected_mask"])


@dataclasses.dataclass
class Given:
    """A forward pass that returns given log-probs."""

    logprobs: Tensor


def test_a_constant_added_to_policy_and_reference_changes_nothing() -> None:
    given = pairs()
    side = batch_of(given).chosen
    moved = dataclasses.replace(
        side, forward=Given(side.logprobs + 2), reference_logprobs=side.reference + 2
    )
    batch = batch_of(given)
    before = composed("objective=dpo").loss(batch).total
    after = composed("objective=dpo").loss(dataclasses.replace(batch, chosen=moved)).total
    torch.testing.assert_close(before, after)


@pytest.mark.parametrize("cuts", [[[0], [1], [2], [3], [4]], [[3, 1], [4, 0, 2]]])
def test_micro_batches_and_the_order_of_pairs_change_nothing(cuts: list[list[int]]) -> None:
    given = pairs()
    whole = loss_and_gradient(given, [[0, 1, 2, 3, 4]])
    parts = loss_and_gradient(given, cuts)
    assert parts[0] == pytest.approx(whole[0], rel=1e-12)
    torch.testing.assert_close(parts[1], whole[1])
    torch.testing.assert_close(parts[2], whole[2])


def test_padding_is_never_read() -> None:
    given = pairs()
    whole = loss_and_gradient(given, [[0, 1, 2, 3, 4]])
    spoilt = dict(given)
    for name in ("chosen", "rejected"):
        off = given[f"{name}_mask"] == 0
        spoilt[f"{name}_reference"] = given[f"{name}_reference"].masked_fill(off, math.nan)
    again = loss_and_gradient(spoilt, [[0, 1, 2, 3, 4]])
    assert again[0] == whole[0]
    assert torch.equal(again[1], whole[1])


def test_a_loss_that_needs_a_reference_says_what_to_type_without_one() -> None:
    batch = batch_of(pairs())
    alone = dataclasses.replace(batch.chosen, reference_logprobs=None)
    with pytest.raises(ModelError, match=r"models\.reference=start"):
        composed("objective=dpo").loss(dataclasses.replace(batch, chosen=alone))


def test_a_pair_loss_may_have_denominators_of_its_own() -> None:
    class Imitate(PairLoss):
        """Cross-entropy of the chosen answers over their tokens."""

        def loss(self, batch: PairBatch, state: object) -> ScalarLoss:
            return ScalarLoss(-batch.chosen.logprobs.sum() / batch.totals.chosen_tokens)

    given = pairs()
    objective = Preference(pair_loss=Imitate())
    whole = objective.loss(batch_of(given)).total
    parts = [objective.loss(batch_of(given, [i])).total for i in range(5)]
    torch.testing.assert_close(whole, torch.stack(parts).sum())
