"""CAMPO: what counts as a loop, who is punished for it, and which of the groups are trained on."""

from __future__ import annotations

import dataclasses
import random

import pytest
import torch
from objective_cases import composed, random_rows

from etude.errors import DataError
from etude.objective.filter.dynamic_sampling import DynamicSampling
from etude.objective.shaping.repetition import Repetition
from etude.primitives.loops import looping_share


def tried_one_by_one(tokens: list[int], copies: int) -> float:
    """The share of the largest loop, each length tried by comparing piece after piece."""
    share = 0.0
    for unit in range(1, len(tokens) // 2 + 1):
        end, found = tokens[-unit:], 0
        while tokens[len(tokens) - (found + 1) * unit : len(tokens) - found * unit] == end:
            found += 1
            if (found + 1) * unit > len(tokens):
                break
        if found >= copies:
            share = found * unit / len(tokens)
    return share


@pytest.mark.parametrize("copies", [2, 3])
def test_one_pass_finds_the_loop_that_trying_every_length_finds(copies: int) -> None:
    draw = random.Random(copies)
    for _ in range(2000):
        text = [draw.randrange(3) for _ in range(draw.randrange(12))]
        piece = [draw.randrange(3) for _ in range(draw.randrange(1, 5))]
        text += piece * draw.randrange(4)
        assert looping_share(text, copies) == tried_one_by_one(text, copies), text


def test_a_long_answer_is_read_in_one_pass() -> None:
    ones = [1] * 200_000  # comparing every length with the end would be 10^10 comparisons
    assert looping_share(ones) == 1.0
    assert looping_share([*ones, 2]) == 0.0


def test_only_what_the_limit_cut_off_in_a_loop_loses_anything() -> None:
    rows = random_rows()
    tokens = rows.tokens.clone()
    tokens[0, 5:8] = tokens[0, 2:5]  # a loop of six of the eight tokens of row 0
    length = rows.batch.lengths.clone()
    length[0] = 8
    cut = torch.zeros_like(rows.batch.truncated)
    ended = dataclasses.replace(rows.batch, tokens=tokens, lengths=length, truncated=cut)
    assert torch.equal(Repetition().shape(ended, None)[0].rewards, ended.rewards)
    cut[0] = True
    batch = dataclasses.replace(ended, truncated=cut)
    lost = {
        scaled: batch.rewards - Repetition(coef=0.4, scaled=scaled).shape(batch, None)[0].rewards
        for scaled in (False, True)
    }
    assert lost[False][0] == pytest.approx(0.4)
    assert lost[True][0] == pytest.approx(0.4 * 6 / 8)
    assert not lost[False][1:].any()


def test_without_a_penalty_the_rewards_are_those_of_the_verifier() -> None:
    batch = random_rows().batch
    shaped, _ = Repetition(coef=0.0).shape(batch, None)
    assert torch.equal(shaped.rewards, batch.rewards)
    assert torch.equal(shaped.token_rewards, batch.token_rewards)


def test_rows_without_tokens_are_refused_and_not_taken_for_loopless() -> None:
    batch = dataclasses.replace(random_rows().batch, tokens=None)
    with pytest.raises(DataError, match="reads the tokens"):
        Repetition().shape(batch, None)


def test_the_preset_draws_its_groups_from_all_that_were_kept() -> None:
    group_filter = composed("objective=campo").filter
    seen = {tuple(group_filter.choose(6, 3, 0, step)) for step in range(40)}
    assert len(seen) > 5
    assert all(list(chosen) == sorted(set(chosen)) for chosen in seen)
    assert {place for chosen in seen for place in chosen} == set(range(6))
    assert group_filter.choose(6, 3, 0, 1) == group_filter.choose(6, 3, 0, 1)
    assert group_filter.choose(2, 3, 0, 1) == [0, 1]
    assert DynamicSampling().choose(6, 3, 0, 1) == [0, 1, 2]
