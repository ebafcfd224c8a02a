"""CHORD: its schedule, its token weights, and where it is plain RL or plain imitation."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

import pytest
import torch
from objective_cases import composed, loss_and_gradient, random_rows
from torch import Tensor

from etude.learner.tensors import taught_batch
from etude.objective.aggregation.micro_token_mean import MicroTokenMean
from etude.objective.aggregation.token_mean import TokenMean
from etude.objective.batch import LossBatch, totals_of
from etude.objective.imitation.chord import Chord
from etude.objective.imitation.none import NoImitation
from etude.objective.token_loss.kind import Taught
from etude.objective.token_loss.phi import Phi
from etude.rows import Example, Row

torch.set_num_threads(1)

LENGTHS = (4, 1, 6, 3, 5)


@dataclass
class Given:
    """A forward pass that returns given log-probs."""

    logprobs: Tensor


def demonstrations(step: int = 0, lengths: tuple[int, ...] = LENGTHS) -> LossBatch:
    """Return demonstrations as the learner hands them on."""
    rows = [
        Row(
            prompt_id=str(number),
            index=0,
            prompt=(1,),
            tokens=(2,) * length,
            loss_mask=[1] * length,
            example=Example(str(number), source="", prompt=""),
        )
        for number, length in enumerate(lengths)
    ]
    batch = taught_batch(rows, 8, seed=0, step=step, steps=10)
    return batch.map(lambda x: x.double() if isinstance(x, Tensor) and x.is_floating_point() else x)


def logprobs(seed: int = 0) -> Tensor:
    random = torch.Generator().manual_seed(seed)
    drawn = torch.rand(len(LENGTHS), max(LENGTHS), generator=random, dtype=torch.float64)
    return -3 * drawn - 0.01


def found(part: Chord, batch: LossBatch, given: Tensor) -> tuple[float, Tensor]:
    """Return the loss of a batch and its gradient on the log-probs."""
    leaf = given.clone().requires_grad_()
    loss = part.loss(batch, Given(leaf)).total  # type: ignore[arg-type]
    loss.backward()
    assert leaf.grad is not None
    return float(loss.detach()), leaf.grad


def test_the_weight_is_constant_without_warmup_and_decay() -> None:
    part = Chord(mu_valley=0.3, mu_peak=0.9)
    assert [part.mu(step) for step in (0, 1, 1000)] == [0.3, 0.3, 0.3]


def test_the_weight_rises_peaks_falls_and_stays() -> None:
    part = Chord(mu_peak=0.8, mu_valley=0.2, mu_warmup_steps=4, mu_decay_steps=4)
    weights = [part.mu(step) for step in range(10)]
    assert weights[:5] == pytest.approx([0.0, 0.2, 0.4, 0.6, 0.8])
    assert weights[6] == pytest.approx(0.5)  # half way down
    assert weights[4:9] == sorted(weights[4:9], reverse=True)
    assert weights[8:] == [0.2, 0.2]
    assert all(part.policy_weight(s) + part.mu(s) == pytest.approx(1.0) for s in range(10))


def test_phi_is_a_quarter_of_sft_s_gradient_at_one_half_and_fades_at_both_ends() -> None:
    batch, given = demonstrations(), logprobs()
    given[0, 0] = torch.tensor(0.5).double().log()
    given[2, 0], given[2, 1] = -1e-9, -40.0
    whole = Chord(mu_valley=1.0)
    phi = found(whole, batch, given)[1]
    plain = found(dataclasses.replace(whole, phi=False), batch, given)[1]
    tokens = sum(LENGTHS)
    torch.testing.assert_close(plain, -batch.mask / tokens)
    p = given.exp()
    torch.testing.assert_close(phi, -batch.mask * p * (1 - p) / tokens)
    assert phi[0, 0] == pytest.approx(0.25 * plain[0, 0].item())
    assert phi[2, :2].abs().max() < 1e-8 < plain[2, :2].abs().min()


def test_mu_one_is_the_loss_of_a_supervised_stage_and_no_policy_loss() -> None:
    batch, given = demonstrations(), logprobs()
    part = Chord(mu_valley=1.0)
    loss, gradient = found(part, batch, given)
    leaf = given.clone().requires_grad_()
    alone = (Phi().loss(Taught(Given(leaf), batch.mask)).loss * batch.mask).sum()  # type: ignore[arg-type]
    alone = alone / batch.totals.tokens
    alone.backward()
    assert loss == pytest.approx(float(alone.detach()), rel=1e-12)
    torch.testing.assert_close(gradient, leaf.grad)

    rows = random_rows()
    objective = dataclasses.replace(composed("objective=chord"), imitation=part)
    total, gradient, _ = loss_and_gradient(objective, rows)
    assert float(total) == 0.0
    assert not gradient.any()


def test_mu_zero_is_the_policy_loss_to_the_bit() -> None:
    rows = random_rows()
    chord = dataclasses.replace(composed("objective=chord"), imitation=Chord(mu_valley=0.0))
    plain = dataclasses.replace(chord, imitation=NoImitation())
    for one, other in zip(
        loss_and_gradient(chord, rows)[:2], loss_and_gradient(plain, rows)[:2], strict=True
    ):
        assert torch.equal(torch.as_tensor(one), torch.as_tensor(other))
    assert not found(chord.imitation, demonstrations(), logprobs())[1].any()


def test_the_policy_loss_is_that_without_demonstrations_times_one_minus_mu() -> None:
    rows = random_rows()
    chord = dataclasses.replace(composed("objective=chord"), imitation=Chord(mu_valley=0.25))
    plain = dataclasses.replace(chord, imitation=NoImitation())
    torch.testing.assert_close(
        loss_and_gradient(chord, rows)[1], 0.75 * loss_and_gradient(plain, rows)[1]
    )


def split(part: Chord, cuts: list[list[int]]) -> tuple[float, Tensor]:
    """Return the summed loss and gradient of an update batch cut into micro-batches."""
    batch, given = demonstrations(), logprobs()
    total, gradient = 0.0, torch.zeros_like(given)
    for rows in cuts:
        chosen = torch.tensor(rows)
        loss, own = found(part, batch.select(chosen), given[chosen])
        total += loss
        gradient[chosen] = own
    return total, gradient


@pytest.mark.parametrize("denominator", ["global_tokens", "per_sequence"])
@pytest.mark.parametrize("phi", [True, False])
def test_the_loss_of_demonstrations_does_not_depend_on_micro_batches(
    denominator: str, phi: bool
) -> None:
    part = Chord(denominator=denominator, phi=phi)
    whole = split(part, [[0, 1, 2, 3, 4]])
    for cuts in ([[0], [1], [2], [3], [4]], [[4, 1], [0, 2, 3]]):
        loss, gradient = split(part, cuts)
        assert loss == pytest.approx(whole[0], rel=1e-12)
        torch.testing.assert_close(gradient, whole[1])


def test_rows_alike_is_the_mean_of_row_means() -> None:
    part = Chord(denominator="per_sequence", phi=False, mu_valley=1.0)
    means = [float(-logprobs()[i, :length].mean()) for i, length in enumerate(LENGTHS)]
    assert split(part, [[0, 1], [2, 3, 4]])[0] == pytest.approx(sum(means) / 5, rel=1e-12)


def test_the_fidelity_option_weighs_the_token_means_of_micro_batches_by_their_rows() -> None:
    part = Chord(denominator="micro_rows", phi=False, mu_valley=1.0)
    nll = -logprobs()
    means = [nll[i, : LENGTHS[i]].sum() for i in range(5)]
    first, second = (means[4] + means[1]) / 6, (means[0] + means[2] + means[3]) / 13
    loss, _ = split(part, [[4, 1], [0, 2, 3]])
    assert loss == pytest.approx(float(first * 2 / 5 + second * 3 / 5), rel=1e-12)
    assert split(part, [[0, 1, 2, 3, 4]])[0] == pytest.approx(
        split(Chord(phi=False, mu_valley=1.0), [[0, 1, 2, 3, 4]])[0], rel=1e-12
    )


def test_micro_token_means_count_rows_or_micro_batches_alike() -> None:
    mask = torch.tensor([[1.0, 1.0], [1.0, 0.0], [0.0, 0.0]])
    totals = totals_of(torch.ones(6, 2), width=2, micro_batches=4)
    by_rows = MicroTokenMean().weights(mask, totals)
    torch.testing.assert_close(by_rows, mask / 3 * 3 / 6)
    torch.testing.assert_close(MicroTokenMean(weigh="alike").weights(mask, totals), mask / 12)
    assert not MicroTokenMean().weights(mask * 0, totals).any()
    whole = totals_of(mask, width=2)
    assert torch.equal(MicroTokenMean().weights(mask, whole), TokenMean().weights(mask, whole))


def test_the_metrics_say_how_much_is_imitated() -> None:
    part = Chord(mu_peak=0.8, mu_valley=0.2, mu_warmup_steps=2, mu_decay_steps=2)
    batch, given = demonstrations(step=1), logprobs()
    metrics: dict[str, Any] = part.loss(batch, Given(given)).metrics  # type: ignore[arg-type]
    assert metrics["objective/mu"].value() == pytest.approx(0.4)
    nll = (-given * batch.mask).sum() / sum(LENGTHS)
    assert metrics["objective/imitation_nll"].value() == pytest.approx(float(nll))
    assert 0 < metrics["objective/imitation_phi"].value() < 0.25


def test_a_supervised_stage_leaves_tokens_above_the_cutoff_alone() -> None:
    batch, given = demonstrations(), logprobs()
    given[0, 0], given[0, 1] = -0.05, -0.2  # p = 0.95 and 0.82
    leaf = given.clone().requires_grad_()
    Phi(cutoff=0.9).loss(Taught(Given(leaf), batch.mask)).loss.sum().backward()  # type: ignore[arg-type]
    assert leaf.grad is not None
    assert leaf.grad[0, 0] == 0
    assert leaf.grad[0, 1] < 0
    assert composed("objective=sft", "objective/token_loss=sft_is").token_loss.floor == 0.0


def test_the_published_schedules_are_presets() -> None:
    mu = composed("objective=chord", "objective/imitation=chord_mu").imitation
    assert (mu.mu_peak, mu.mu_valley, mu.mu_warmup_steps, mu.mu_decay_steps, mu.phi) == (
        0.9,
        0.05,
        0,
        200,
        False,
    )
    assert composed("objective=chord", "objective/imitation=chord_phi").imitation == Chord()
