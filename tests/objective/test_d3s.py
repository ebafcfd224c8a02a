"""D3S: exact subsets, shares that grow, and dropping that is the same as a mask."""

from __future__ import annotations

import dataclasses
import itertools
from typing import Any

import pytest
import torch
from objective_cases import (
    Rows,
    composed,
    loss_and_gradient,
    present_statistics,
    random_rows,
    update_batch,
)

from etude import schema
from etude.objective.selection.d3s_rows import D3SRows
from etude.objective.selection.d3s_tokens import D3STokens
from etude.primitives.distribution import entropy_of
from etude.primitives.subsets import linear_share, max_variance_subset, share_of

torch.set_num_threads(1)


def with_parts(**parts: Any) -> Any:
    return dataclasses.replace(composed("objective=d3s"), selection=parts)


def prepared(objective: Any, rows: Rows) -> Any:
    whole = update_batch(objective, rows)
    return objective.prepare(whole, present_statistics(objective, rows.logits, rows.tokens))


def kept_rows(objective: Any, rows: Rows) -> list[int]:
    advantages = objective.advantages(rows.batch)
    return objective.select(rows.batch, advantages)[0].sum(-1).nonzero().flatten().tolist()


def rewarded(rows: Rows, rewards: list[float]) -> Rows:
    values = torch.tensor(rewards, dtype=torch.float64)
    return dataclasses.replace(rows, batch=dataclasses.replace(rows.batch, rewards=values))


def test_the_subset_has_the_variance_of_the_best_of_all_subsets() -> None:
    noise = torch.Generator().manual_seed(3)
    for count, size in itertools.product(range(2, 9), range(2, 9)):
        values = torch.randn(count, generator=noise, dtype=torch.float64)
        if count % 2:
            values = values.round()  # with ties
        kept = max_variance_subset(values, size)
        size = min(size, count)
        assert int(kept.sum()) == size
        best = max(
            float(values[list(chosen)].var(correction=0))
            for chosen in itertools.combinations(range(count), size)
        )
        assert float(values[kept].var(correction=0)) == pytest.approx(best, abs=1e-12)


def test_a_single_row_has_no_variance_and_equal_rows_are_kept_in_order() -> None:
    with pytest.raises(ValueError, match="2 values or more, not 1"):
        max_variance_subset(torch.tensor([1.0, 2.0]), 1)
    assert max_variance_subset(torch.ones(4), 2).tolist() == [True, True, False, False]
    assert max_variance_subset(torch.tensor([1.0]), 1).tolist() == [True]


def test_shares_round_up_and_are_bounded() -> None:
    assert share_of(0.07, 100, least=2) == 7  # the product is a little above 7 in floating point
    assert share_of(0.071, 100, least=2) == 8
    assert share_of(0.1, 4, least=2) == 2
    assert share_of(1.0, 1, least=2) == 1
    assert share_of(0.5, 0, least=1) == 0
    shares = [linear_share(0.2, 1.0, step, 4) for step in (0, 2, 4, 9)]
    assert shares == pytest.approx([0.2, 0.6, 1.0, 1.0])


def test_with_whole_shares_it_is_the_plain_objective() -> None:
    rows = random_rows()
    whole = with_parts(
        d3s_rows=D3SRows(start=1.0),
        d3s_tokens=D3STokens(start=1.0),
    )
    plain = dataclasses.replace(whole, selection={})
    loss, gradient, _ = loss_and_gradient(whole, rows)
    assert loss == loss_and_gradient(plain, rows)[0]
    assert torch.equal(gradient, loss_and_gradient(plain, rows)[1])
    with_zero = with_parts(d3s_tokens=D3STokens(start=1.0, denominator="all"))
    assert torch.equal(loss_and_gradient(with_zero, rows)[1], gradient)


def test_each_prompt_keeps_its_share_or_all_prompts_together_do() -> None:
    rows = rewarded(random_rows(), [0, 0, 0, 1, 1, 1, 1, 1, 5, 1, 0])
    half = {"start": 0.5, "end": 0.5}
    intra = kept_rows(with_parts(d3s_rows=D3SRows(**half)), rows)
    groups = rows.batch.groups[intra].tolist()
    assert [groups.count(g) for g in (3, 0, 9, 5)] == [2, 2, 2, 1]
    assert 3 in intra  # the one right answer of its prompt
    assert 6 not in intra  # an empty row is not counted
    cross = kept_rows(with_parts(d3s_rows=D3SRows(scope="cross", **half)), rows)
    assert len(cross) == 5
    assert {3, 8, 9} <= set(cross)
    assert rows.batch.groups[cross].tolist().count(0) < 3


def test_which_equal_rows_are_kept_depends_on_their_seeds_and_not_on_their_place() -> None:
    rows = rewarded(random_rows(), [1, 1, 1, 1, 0, 0, 0, 0, 1, 1, 1])
    objective = with_parts(d3s_rows=D3SRows(start=0.5, end=0.5))
    first = kept_rows(objective, rows)
    order = torch.arange(10, -1, -1)
    turned = kept_rows(objective, rows.reordered(order))
    assert sorted(10 - row for row in turned) == first
    other = dataclasses.replace(rows.batch, row_seeds=-rows.batch.row_seeds)
    assert kept_rows(objective, dataclasses.replace(rows, batch=other)) != first


def test_advantages_of_kept_rows_can_be_normalised_again() -> None:
    rows = rewarded(random_rows(), [0, 0.2, 0.4, 3, 1, 1, 1, 1, 0, 1, 0])
    half = {"start": 0.5, "end": 0.5}
    plain = prepared(with_parts(d3s_rows=D3SRows(**half)), rows)
    again = prepared(with_parts(d3s_rows=D3SRows(renormalise=True, **half)), rows)
    assert torch.equal(plain.mask, again.mask)
    mine = (rows.batch.groups == 3) & (again.mask.sum(-1) > 0)
    values = again.advantages[mine].sum(-1) / again.mask[mine].sum(-1)
    assert float(values.mean()) == pytest.approx(0.0, abs=1e-9)
    assert float(values.std()) == pytest.approx(1.0, rel=1e-5)
    assert not torch.allclose(plain.advantages[mine], again.advantages[mine])
    flat = (rows.batch.groups == 0) & (again.mask.sum(-1) > 0)
    assert (again.advantages[flat] == 0).all()


def test_tokens_are_those_of_largest_advantage_times_entropy() -> None:
    rows = random_rows()
    share = {"start": 0.3, "end": 0.3}
    objective = with_parts(d3s_tokens=D3STokens(**share))
    whole = update_batch(objective, rows)
    batch = prepared(objective, rows)
    scores = whole.advantages.abs() * entropy_of(rows.logits)
    kept, dropped = batch.mask > 0, (whole.mask > 0) & (batch.mask == 0)
    assert int(kept.sum()) == share_of(0.3, int(whole.mask.sum()), least=1)
    assert scores[kept].min() >= scores[dropped].max()
    assert batch.totals.tokens == int(kept.sum())
    assert batch.totals.rows == int((batch.mask.sum(-1) > 0).sum())
    each = prepared(with_parts(d3s_tokens=D3STokens(scope="sequence", **share)), rows)
    expected = [share_of(0.3, int(count), least=1) for count in whole.mask.sum(-1)]
    assert each.mask.sum(-1).tolist() == expected


def test_dropping_is_the_same_as_a_mask() -> None:
    rows = random_rows()
    objective = with_parts(d3s_tokens=D3STokens(start=0.4, end=0.4))
    loss, gradient, metrics = loss_and_gradient(objective, rows)
    kept = prepared(objective, rows).mask
    masked = dataclasses.replace(rows.batch, mask=kept)
    whole = prepared(objective, rows)
    plain = dataclasses.replace(objective, selection={})
    masked_rows = dataclasses.replace(rows, batch=masked)
    expected = loss_and_gradient(plain, masked_rows)
    torch.testing.assert_close(loss, expected[0])
    torch.testing.assert_close(gradient, expected[1])
    share = float(whole.mask.sum()) / float(rows.batch.mask.sum())
    assert metrics["objective/kept_tokens"].value() == pytest.approx(share)


def test_dropped_tokens_can_stay_in_the_denominator() -> None:
    rows = random_rows()
    share = {"start": 0.4, "end": 0.4}
    kept = with_parts(d3s_tokens=D3STokens(**share))
    everything = with_parts(d3s_tokens=D3STokens(denominator="all", **share))
    fewer, all_ = prepared(kept, rows).totals.tokens, prepared(everything, rows).totals.tokens
    assert fewer < all_ == int(rows.batch.mask.sum())
    torch.testing.assert_close(
        loss_and_gradient(everything, rows)[1] * all_ / fewer, loss_and_gradient(kept, rows)[1]
    )


def test_the_share_grows_with_the_step() -> None:
    rows = random_rows()
    objective = composed("objective=d3s")
    tokens, numbers = [], []
    for step in (0, 5, 10):
        at = dataclasses.replace(rows, batch=dataclasses.replace(rows.batch, step=step))
        tokens.append(prepared(objective, at).totals.tokens)
        numbers.append(len(kept_rows(objective, at)))
    assert tokens == sorted(set(tokens))
    assert tokens[-1] == int(rows.batch.mask.sum())
    assert numbers[0] < numbers[-1] == 10
    early = with_parts(d3s_rows=D3SRows(steps=5), d3s_tokens=D3STokens(steps=5))
    half_way = dataclasses.replace(rows, batch=dataclasses.replace(rows.batch, step=5))
    assert prepared(early, half_way).totals.tokens == tokens[-1]


def test_a_plan_knows_that_the_number_of_steps_matters() -> None:
    known = schema.load().components["objective/selection"]
    assert known["d3s_rows"].depends_on_steps
    assert known["d3s_tokens"].depends_on_steps
    assert not known["wrong"].depends_on_steps


def test_no_tokens_leave_nothing_to_select() -> None:
    rows = random_rows()
    batch = dataclasses.replace(rows.batch, mask=torch.zeros_like(rows.batch.mask))
    empty = dataclasses.replace(rows, batch=batch)
    assert prepared(composed("objective=d3s"), empty).totals.tokens == 0
