"""Packed rows hold every token once, never too many, and never teach across pieces."""

from __future__ import annotations

import random

import pytest
import torch

from etude.errors import ConfigError
from etude.learner.packing import TokenRow
from etude.objective.supervised import loss_mask_of
from packed_lines import pack


def rows_of(lengths: list[tuple[int, int]]) -> list[TokenRow]:
    rows, token = [], 0
    for prompt, response in lengths:
        count = prompt + response
        rows.append(TokenRow(range(token, token + count), loss_mask_of(prompt, response)))
        token += count
    return rows


def targets(tokens: list[int], mask: list[int]) -> set[int]:
    return {tokens[t + 1] for t in range(len(tokens) - 1) if mask[t]}


def random_rows(seed: int) -> list[TokenRow]:
    draw = random.Random(seed)
    return rows_of([(draw.randint(0, 6), draw.randint(0, 9)) for _ in range(30)])


@pytest.mark.parametrize("strategy", ["bfd_split", "wrapped"])
@pytest.mark.parametrize("seed", range(3))
def test_no_token_is_lost_where_nothing_is_cut_off(strategy: str, seed: int) -> None:
    rows = random_rows(seed)
    packed = pack(rows, strategy, 8)
    assert sorted(t for row in packed for t in row.tokens) == [
        t for row in rows for t in row.tokens
    ]


@pytest.mark.parametrize("strategy", ["bfd", "bfd_split", "wrapped"])
@pytest.mark.parametrize("seed", range(3))
def test_a_packed_row_is_consistent(strategy: str, seed: int) -> None:
    for row in pack(random_rows(seed), strategy, 8):
        assert 0 < len(row.tokens) <= 8
        assert len(row.tokens) == len(row.mask) == len(row.position_ids) == sum(row.seq_lengths)
        assert row.position_ids == [p for n in row.seq_lengths for p in range(n)]
        ends = [sum(row.seq_lengths[: i + 1]) - 1 for i in range(len(row.seq_lengths))]
        assert all(row.mask[end] == 0 for end in ends)


def test_packing_teaches_exactly_the_targets_of_the_rows() -> None:
    rows = random_rows(5)
    packed = pack(rows, "bfd", 16)
    taught = [targets(row.tokens, row.mask) for row in packed]
    assert set().union(*taught) == set().union(
        *(targets(list(row.tokens), list(row.mask)) for row in rows)
    )
    assert sum(map(len, taught)) == sum(sum(row.mask) for row in rows)


def test_a_cut_row_does_not_teach_the_next_row_s_first_token() -> None:
    packed = pack(rows_of([(1, 9), (1, 2)]), "wrapped", 6)
    assert [row.mask for row in packed] == [[1, 1, 1, 1, 1, 0], [1, 1, 1, 0, 1, 0], [0]]


def test_a_row_goes_where_the_least_space_is_left() -> None:
    packed = pack(rows_of([(0, 3), (0, 7), (0, 6)]), "bfd", 10)
    assert [row.seq_lengths for row in packed] == [[7, 3], [6]]


def test_of_sequences_with_equal_space_the_first_is_filled() -> None:
    packed = pack(rows_of([(0, 7), (0, 7), (0, 2)]), "bfd", 10)
    assert [row.seq_lengths for row in packed] == [[7, 2], [7]]


def test_rows_of_equal_length_keep_their_order() -> None:
    packed = pack(rows_of([(0, 3)] * 4), "bfd", 6)
    assert [row.tokens for row in packed] == [[0, 1, 2, 3, 4, 5], [6, 7, 8, 9, 10, 11]]


@pytest.mark.parametrize(("strategy", "length"), [("best", 8), ("bfd", 0)])
def test_an_unknown_strategy_or_length_is_refused(strategy: str, length: int) -> None:
    with pytest.raises(ConfigError, match="bfd_split"):
        pack([], strategy, length)


def test_packed_and_unpacked_rows_have_the_same_token_losses() -> None:
    # a causal average of embeddings within a piece plays the model
    table = torch.randn(200, 6, generator=torch.Generator().manual_seed(0), dtype=torch.float64)

    def losses(tokens: list[int], lengths: list[int], mask: list[int]) -> dict[int, float]:
        found, start = {}, 0
        for length in lengths:
            piece = torch.tensor(tokens[start : start + length])
            context = table[piece].cumsum(0) / torch.arange(1, length + 1).unsqueeze(-1)
            logprobs = (context @ table.T).log_softmax(-1)
            for t in range(length - 1):
                if mask[start + t]:
                    found[int(piece[t + 1])] = float(logprobs[t, piece[t + 1]])
            start += length
        return found

    rows = rows_of([(2, 3), (1, 5), (3, 4), (2, 2)])
    apart: dict[int, float] = {}
    for row in rows:
        apart |= losses(list(row.tokens), [len(row.tokens)], list(row.mask))
    together: dict[int, float] = {}
    for packed in pack(rows, "bfd", 12):
        together |= losses(packed.tokens, packed.seq_lengths, packed.mask)
    assert together == apart
