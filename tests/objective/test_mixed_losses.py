"""LUFFY and RL-PLUS: what demonstrated and own tokens cost, and how the two losses meet."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
import torch
from objective_cases import (
    RowForward,
    Rows,
    composed,
    loss_and_gradient,
    random_rows,
    update_batch,
)

from etude.errors import DataError
from etude.primitives.off_policy import exploration_weight, multiple_importance_ratio
from token_logprobs import logprobs_of

MIXED = ("luffy", "rl_plus")


def changed(objective: Any, **options: Any) -> Any:
    """Return an objective with other options of its policy loss, without its entropy bonus."""
    loss = dataclasses.replace(objective.policy_loss, **options)
    return dataclasses.replace(objective, policy_loss=loss, auxiliary={})


def token_gradient(objective: Any, rows: Rows) -> torch.Tensor:
    """Return dL/dℓ of every token, with advantages 1 and weights 1 (sum over tokens)."""
    batch = random_batch(rows)
    logprobs = logprobs_of(rows.logits, rows.tokens).requires_grad_()
    forward = RowForward(rows.logits, rows.tokens)

    class Known:
        def __getattr__(self, name: str) -> Any:
            return getattr(forward, name)

    known = Known()
    known.logprobs = logprobs  # type: ignore[attr-defined]
    loss = objective.policy_loss.loss(batch, known).loss
    (gradient,) = torch.autograd.grad((loss * batch.mask).sum(), logprobs)
    return gradient


def random_batch(rows: Rows) -> Any:
    batch = update_batch(composed("objective=grpo"), rows)
    return dataclasses.replace(batch, advantages=batch.mask.clone())


@pytest.mark.parametrize("name", MIXED)
def test_without_demonstrations_the_loss_is_the_unclipped_policy_gradient(name: str) -> None:
    rows = random_rows()
    rows = dataclasses.replace(rows, batch=dataclasses.replace(rows.batch, off_policy=None))
    unclipped = composed(f"objective={name}", "objective/policy_loss=clipped")
    wide = dataclasses.replace(unclipped.policy_loss, clip_low=1.0, clip_high=1e9)
    unclipped = dataclasses.replace(unclipped, policy_loss=wide)
    expected = loss_and_gradient(unclipped, rows)
    found = loss_and_gradient(composed(f"objective={name}"), rows)
    torch.testing.assert_close(found[0], expected[0])
    torch.testing.assert_close(found[1], expected[1])


def test_with_the_paper_s_clip_own_tokens_are_clipped_as_in_grpo() -> None:
    rows = random_rows()
    rows = dataclasses.replace(rows, batch=dataclasses.replace(rows.batch, off_policy=None))
    for name in MIXED:
        objective = changed(composed(f"objective={name}"), clip=0.2)
        clipped = composed(f"objective={name}", "objective/policy_loss=clipped")
        clipped = dataclasses.replace(clipped, auxiliary={})
        found, expected = loss_and_gradient(objective, rows), loss_and_gradient(clipped, rows)
        torch.testing.assert_close(found[1], expected[1])
        fraction = "objective/clip_fraction"
        assert found[2][fraction].value() == expected[2][fraction].value() > 0


@pytest.mark.parametrize("name", MIXED)
def test_only_own_tokens_count_as_clipped(name: str) -> None:
    rows = random_rows()
    rows = dataclasses.replace(
        rows, batch=dataclasses.replace(rows.batch, old_logprobs=rows.batch.old_logprobs - 3.0)
    )
    loss = changed(composed(f"objective={name}"), clip=0.2).policy_loss
    clipped = loss.loss(random_batch(rows), RowForward(rows.logits, rows.tokens)).clipped
    own = rows.batch.off_policy == 0
    assert clipped is not None
    assert clipped[own & (rows.batch.mask > 0)].all()  # advantages are 1 and ratios far above 1
    assert not clipped[~own].any()


def test_luffy_with_plain_log_probs_and_advantage_1_has_the_gradient_of_sft() -> None:
    rows = random_rows()
    objective = changed(composed("objective=luffy"), off_reshape="logp", off_weight=1.0)
    gradient = token_gradient(objective, rows)
    given = rows.batch.off_policy * rows.batch.mask
    assert torch.allclose(gradient[given > 0], -torch.ones(int(given.sum())).double())


def test_luffy_s_gradient_is_largest_where_the_probability_is_gamma() -> None:
    p = torch.tensor([0.001, 0.05, 0.1, 0.2, 0.9], dtype=torch.float64)
    logprobs = p.log().requires_grad_()
    value = composed("objective=luffy").policy_loss.demonstrated(logprobs, logprobs.detach())
    (gradient,) = torch.autograd.grad(value.sum(), logprobs)
    torch.testing.assert_close(gradient, p * 0.1 / (p + 0.1).square())
    assert int(gradient.argmax()) == 2


def test_rl_plus_gradient_on_a_demonstrated_token_is_its_loss() -> None:
    rows = random_rows()
    objective = composed("objective=rl_plus")
    gradient = token_gradient(objective, rows)
    logprobs = logprobs_of(rows.logits, rows.tokens)
    old = rows.batch.old_logprobs
    expected = -multiple_importance_ratio(logprobs, old) * exploration_weight(logprobs, 0.5)
    given = (rows.batch.off_policy * rows.batch.mask) > 0
    torch.testing.assert_close(gradient[given], expected[given])


def test_the_mixture_s_ratio_lies_between_0_and_4() -> None:
    one, never = torch.zeros(1).double(), torch.full((1,), -800.0).double()
    quarter = torch.tensor([0.25]).double().log()
    assert multiple_importance_ratio(one, one) == 1.0
    assert multiple_importance_ratio(one, never) == 4.0
    assert multiple_importance_ratio(quarter, never) == pytest.approx(1.0)
    assert multiple_importance_ratio(never, one) == 0.0


def test_without_exponent_the_exploration_weight_is_1() -> None:
    logprobs = torch.tensor([-50.0, -1.0, 0.0])
    assert torch.equal(exploration_weight(logprobs, 0.0), torch.ones(3))
    assert exploration_weight(logprobs, 0.5)[-1] == 0.0


@pytest.mark.parametrize("gamma", [0.0, 0.5, 3.0])
def test_no_reshape_is_luffy_without_shaping_whatever_gamma(gamma: float) -> None:
    rows = random_rows()
    plus = changed(composed("objective=rl_plus"), strategy="no_reshape", gamma=gamma)
    luffy = changed(composed("objective=luffy"), off_reshape="no_reshape")
    one, other = loss_and_gradient(plus, rows), loss_and_gradient(luffy, rows)
    assert torch.equal(one[0], other[0])
    torch.testing.assert_close(one[1], other[1])


@pytest.mark.parametrize("name", MIXED)
@pytest.mark.parametrize("aggregation", ["token_mean", "seq_mean_token_mean"])
def test_what_all_max_clip_leaves_out_leaves_every_denominator(name: str, aggregation: str) -> None:
    rows = random_rows()
    current = logprobs_of(rows.logits, rows.tokens)
    kept = (current.exp() <= 0.4).to(rows.batch.mask)
    objective = composed(f"objective={name}", f"objective/aggregation={aggregation}")
    limited = changed(objective, all_max_clip=0.4)
    cuts = [[5, 1, 7], [0, 2, 9, 10], [3, 4, 6, 8]]
    found = loss_and_gradient(limited, rows, cuts=cuts)
    # advantages come from all tokens, so only the mask of the loss changes
    masked = dataclasses.replace(
        rows, batch=dataclasses.replace(rows.batch, mask=rows.batch.mask * kept)
    )
    expected = loss_and_gradient(changed(objective), masked)
    assert 0 < float((rows.batch.mask * kept).sum()) < float(rows.batch.mask.sum())
    torch.testing.assert_close(found[0], expected[0])
    torch.testing.assert_close(found[1], expected[1])


@pytest.mark.parametrize("name", MIXED)
def test_a_known_expert_s_probability_divides(name: str) -> None:
    rows = random_rows()
    objective = changed(composed(f"objective={name}"), expert="reference")
    _, _, metrics = loss_and_gradient(objective, rows)
    ratio = (logprobs_of(rows.logits, rows.tokens) - rows.batch.role_logprobs["reference"]).exp()
    given = rows.batch.off_policy * rows.batch.mask
    expected = float((ratio * given).sum() / given.sum())
    assert metrics["objective/off_ratio"].value() == pytest.approx(expected, rel=1e-4)
    unknown = dataclasses.replace(rows, batch=dataclasses.replace(rows.batch, role_logprobs={}))
    with pytest.raises(DataError, match=r"models\.reference=FOLDER"):
        loss_and_gradient(objective, unknown)


@pytest.mark.parametrize(
    "form", ["logp", "p_logp", "square_root", "pow", "no_reshape", "p_div_p_0.1", "p_div_p_0.5"]
)
def test_every_form_stays_finite_where_a_probability_rounds_to_0(form: str) -> None:
    loss = dataclasses.replace(
        composed("objective=luffy").policy_loss, off_reshape=form, own_reshape=form
    )
    logprobs = torch.tensor([-200.0, 0.0, -1e-8], requires_grad=True)
    for old in (torch.full((3,), -190.0), torch.zeros(3)):
        total = loss.own(logprobs, old).sum() + loss.demonstrated(logprobs, old).sum()
        (gradient,) = torch.autograd.grad(total, logprobs)
        assert torch.isfinite(total)
        assert torch.isfinite(gradient).all()


@pytest.mark.parametrize("name", MIXED)
def test_numbers_of_demonstrated_and_own_tokens_are_logged_apart(name: str) -> None:
    rows = random_rows()
    _, _, metrics = loss_and_gradient(composed(f"objective={name}"), rows)
    mask, given = rows.batch.mask, rows.batch.off_policy * rows.batch.mask
    share = float(given.sum() / mask.sum())
    assert metrics["objective/off_tokens"].value() == pytest.approx(share)
    p = logprobs_of(rows.logits, rows.tokens).exp()
    assert metrics["objective/off_probability"].value() == pytest.approx(
        float((p * given).sum() / given.sum())
    )
    own = mask - given
    old = rows.batch.old_logprobs.exp().clamp(max=1)
    assert metrics["objective/own_probability"].value() == pytest.approx(
        float((old * own).sum() / own.sum())
    )
