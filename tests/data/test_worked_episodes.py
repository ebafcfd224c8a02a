"""Rows of played games: their turns win, splits are apart, and what cannot be played is said."""

from itertools import pairwise
from typing import Any

import pytest

from etude.errors import DataError
from etude.sources.worked_episodes import WorkedEpisodes
from etude.tasks.worked import GAMES
from etude.tool_calls import parse_call


@pytest.mark.parametrize("game", GAMES)
def test_a_row_is_a_conversation_that_wins_when_it_is_played_again(game: str) -> None:
    source = WorkedEpisodes(game=game, levels=[2], train_size=20, test_size=5)
    rows = source.rows("train", 0)
    assert 5 <= len(rows) <= 20
    for row in rows:
        roles = [turn["role"] for turn in row["turns"]]
        assert roles[0] == roles[-1] == "assistant"
        assert all(one != other for one, other in pairwise(roles))
        assert row["solution"] == row["turns"][-1]["content"]
        assert row["level"] == 2
    assert len({str(row["turns"]) + row["prompt"] for row in rows}) == len(rows)
    assert len({row["id"] for row in rows}) == len(rows)


def test_calls_are_written_so_that_they_are_read_back() -> None:
    (row, *_) = WorkedEpisodes(game="calculator", levels=[9], train_size=3).rows("train", 0)
    call = parse_call(row["turns"][0]["content"])
    assert call is not None
    assert call.arguments == {"expression": row["prompt"].rstrip("=")}
    assert row["turns"][1] == {"role": "tool", "content": row["answer"]}
    assert row["solution"] == f"A:{row['answer']}"
    (row, *_) = WorkedEpisodes(game="calculator", calls="hermes", train_size=3).rows("train", 0)
    assert row["turns"][0]["content"].startswith('<tool_call>\n{"name": "calculate"')


def test_splits_are_apart_where_a_game_holds_problems_out() -> None:
    for game, options in (("calculator", {}), ("general_points", {"target": None})):
        source = WorkedEpisodes(game=game, options=options, levels=[2], train_size=60, test_size=60)
        prompts = [{row["prompt"] for row in source.rows(split, 0)} for split in ("train", "test")]
        assert not prompts[0] & prompts[1]


@pytest.mark.parametrize(
    ("given", "said"),
    [({"levels": [99]}, "level is 1 to 9"), ({"options": {"spar": 1}}, "spar")],
)
def test_what_cannot_be_played_is_said(given: dict[str, Any], said: str) -> None:
    with pytest.raises(DataError, match=rf"sources\.mine: guess_number cannot be played: .*{said}"):
        WorkedEpisodes(**given).rows("train", 0, None, "mine")
    with pytest.raises(DataError, match="no split 'dev'"):
        WorkedEpisodes().rows("dev", 0)
