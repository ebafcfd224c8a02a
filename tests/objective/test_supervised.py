"""Which tokens are taught, and what they weigh."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import pytest
import torch
from objective_cases import composed
from torch import Tensor

from etude.objective.batch import SupervisedBatch, totals_of
from etude.objective.supervised import Supervised, loss_mask_of
from etude.objective.token_loss.aft import AFT
from etude.objective.token_loss.dft import DFT
from etude.objective.token_loss.standard import Standard
from etude.primitives.distribution import entropy_of
from token_logprobs import logprobs_of

torch.set_num_threads(1)

LENGTHS = [(2, 4), (1, 6), (4, 1), (3, 0)]
WIDTH = 7


@dataclass
class Sequences:
    given: Tensor
    labels: Tensor
    reference: Tensor

    @property
    def logprobs(self) -> Tensor:
        return logprobs_of(self.given, self.labels)

    def entropy(self) -> Tensor:
        return entropy_of(self.given)

    def logits(self) -> Tensor:
        return self.given

    def reference_logits(self) -> Tensor:
        return self.reference


def run(objective: Supervised, cuts: list[list[int]] | None = None, padding: int = 0):  # type: ignore[no-untyped-def]
    noise = torch.Generator().manual_seed(3)
    ids = torch.randint(0, 5, (4, WIDTH), generator=noise)
    logits = torch.randn(4, WIDTH, 5, generator=noise, dtype=torch.float64)
    reference = torch.randn(4, WIDTH, 5, generator=noise, dtype=torch.float64)
    ids = torch.cat([ids, torch.full((4, padding), 4)], 1)
    logits = torch.cat([logits, torch.full((4, padding, 5), 3.0)], 1).requires_grad_()
    reference = torch.cat([reference, torch.zeros(4, padding, 5)], 1)
    width = WIDTH + padding
    mask = torch.tensor([m + [0] * (width - len(m)) for m in (loss_mask_of(*p) for p in LENGTHS)])
    cuts = cuts or [[0, 1, 2, 3]]
    totals = totals_of(mask[:, :-1], width=width, micro_batches=len(cuts))
    total = 0.0
    for cut in cuts:
        at = torch.tensor(cut)
        batch = SupervisedBatch(ids[at][:, 1:], mask[at][:, :-1], totals)
        forward = Sequences(logits[at, :-1], batch.labels, reference[at, :-1])
        loss = objective.loss(batch, forward).total
        loss.backward()
        total += float(loss.detach())
    return total, logits.grad[:, :WIDTH], mask


def test_the_mask_teaches_the_response_and_its_last_token() -> None:
    assert loss_mask_of(2, 3) == [0, 1, 1, 1, 0]
    assert loss_mask_of(1, 2) == [1, 1, 0]
    assert loss_mask_of(3, 1) == [0, 0, 1, 0]
    assert loss_mask_of(3, 0) == [0, 0, 0]
    assert loss_mask_of(1, 0) == [0]
    assert loss_mask_of(0, 3) == [1, 1, 0]


def test_nothing_but_response_positions_has_a_gradient_and_the_last_target_has() -> None:
    _, gradient, mask = run(composed("objective=sft"))
    taught = gradient.abs().sum(-1) > 0
    assert torch.equal(taught, mask.bool())
    assert taught[0, 4]  # predicts token 5, the last of 2 + 4


@pytest.mark.parametrize(
    "objective",
    [
        Supervised(token_loss=Standard(), denominator="global_tokens"),
        Supervised(token_loss=Standard(), denominator="per_sequence"),
        Supervised(token_loss=DFT(), kl_coef=0.3),
        Supervised(token_loss=AFT(power=2.0), kl_coef=0.3, denominator="per_sequence"),
    ],
    ids=["tokens", "sequences", "dft and kl", "aft and kl"],
)
def test_micro_batches_and_padding_change_nothing(objective: Supervised) -> None:
    loss, gradient, _ = run(objective)
    for cuts, padding in (([[0], [1], [2], [3]], 0), ([[3, 1], [2, 0]], 2)):
        other = run(objective, cuts, padding)
        assert other[0] == pytest.approx(loss, rel=1e-10)
        torch.testing.assert_close(other[1], gradient, rtol=1e-10, atol=1e-14)


def test_the_micro_denominator_averages_the_means_of_micro_batches() -> None:
    micro = Supervised(token_loss=Standard(), denominator="micro")
    each = [run(micro, [[i]])[0] for i in range(4)]
    assert run(micro, [[0], [1], [2], [3]])[0] == pytest.approx(sum(each) / 4)
    assert each[3] == 0.0  # a row without a response


def test_aft_with_power_zero_is_the_standard_loss() -> None:
    standard = run(Supervised(token_loss=Standard()))
    aft = run(Supervised(token_loss=AFT(power=0.0)))
    assert aft[0] == standard[0]
    assert torch.equal(aft[1], standard[1])


def test_dft_is_a_ten_thousandth_of_the_standard_loss_plus_a_weighted_one() -> None:
    standard = run(Supervised(token_loss=Standard()))
    weighted = run(Supervised(token_loss=DFT(floor=0.0)))
    both = run(Supervised(token_loss=DFT()))
    torch.testing.assert_close(both[1], 1e-4 * standard[1] + weighted[1])


def test_kl_to_itself_adds_nothing() -> None:
    objective = Supervised(token_loss=Standard(), kl_coef=1.0)
    logits = torch.randn(1, 3, 5, dtype=torch.float64)
    labels, mask = torch.zeros(1, 3, dtype=torch.long), torch.ones(1, 3)
    batch = SupervisedBatch(labels, mask, totals_of(mask, width=3))
    with_kl = objective.loss(batch, Sequences(logits, labels, logits)).total
    plain = dataclasses.replace(objective, kl_coef=0.0)
    assert with_kl == pytest.approx(
        float(plain.loss(batch, Sequences(logits, labels, logits)).total)
    )


def test_the_anchor_is_the_squared_distance_to_the_start() -> None:
    objective = Supervised(token_loss=Standard(), anchor_coef=0.5)
    now = [torch.tensor([1.0, 2.0], requires_grad=True), torch.tensor([[3.0]], requires_grad=True)]
    start = [torch.zeros(2), torch.ones(1, 1)]
    penalty = objective.anchor(now, start)
    penalty.backward()
    assert float(penalty.detach()) == 0.5 * (1 + 4 + 4)
    assert now[0].grad is not None
    assert now[0].grad.tolist() == [1.0, 2.0]
