"""Prompts of a plan's draw that do not fit are made again, each in the place it was planned for."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from etude.curriculum.interface import StepPlan
from etude.data_mix.draw import Draw
from etude.data_mix.mix import Mix
from etude.data_mix.share import Share
from etude.errors import DataError
from etude.learner.opened import Opened
from etude.rollout.fitting import PromptLimit


class Rows(list[Any]):
    def column(self, name: str, positions: Any = None) -> list[Any]:
        return [row[name] for row in self]


class Made:
    """A source that makes a prompt of as many letters as asked, or one more, by its key."""

    def rows(self, split: str, seed: int, folder: Any = None, key: str = "NAME") -> Rows:
        return Rows([{"id": "0", "prompt": "p", "level": None}])

    def generate(self, parameters: Any, key: int) -> dict[str, Any]:
        size = int(parameters["size"])
        return {"id": f"{size}/{key}", "prompt": "x" * (size + key % 2), "level": None}


class Few(Opened):
    """Prompts of at most so many letters; longer ones are left out."""

    def __init__(self, longest: int) -> None:
        rollout = SimpleNamespace(max_new_tokens=4, max_prompt_tokens=longest, too_long="drop")
        policy: Any = SimpleNamespace(
            causal_lm=SimpleNamespace(config=SimpleNamespace()),
            encode_example=lambda example: tuple(example.prompt),
        )
        self._parts: Any = SimpleNamespace(rollout=rollout)
        self.max_new_tokens = 4
        self.limit = PromptLimit(policy, rollout, 4)
        self.stream = Mix(train={"made": Share()}).stream({"made": Made()}, seed=1)


SIZES = [8, 3, 8, 5, 8, 8]


@pytest.mark.filterwarnings("ignore:the curriculum's draw")
def test_a_prompt_that_is_drawn_again_keeps_its_parameters_its_place_and_its_size() -> None:
    draw = Draw(6, parameters={"made": [{"size": float(size)} for size in SIZES]})
    found = Few(8).draw(draw)
    assert [int(each.columns["parameters"]["size"]) for each in found] == SIZES
    assert [len(each.prompt) for each in found if each.columns["parameters"]["size"] == 8.0] == [
        8
    ] * 4  # half of those that were made were too long
    assert len({each.id for each in found}) == 6
    plan = StepPlan(draw=draw, sizes=SIZES)
    assert plan.size_for([each.id for each in found], 4) == SIZES


@pytest.mark.filterwarnings("ignore:the curriculum's draw")
def test_what_never_fits_is_told_with_how_many_do() -> None:
    draw = Draw(6, parameters={"made": [{"size": float(size)} for size in SIZES]})
    with pytest.raises(DataError, match="after 20 draws only 2 of 6 prompts fit"):
        Few(7).draw(draw)
