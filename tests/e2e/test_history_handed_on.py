"""What a stage knows of rows is where the next one begins, also after kills, to the bit."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from warm_commands import ROWS, Moment, Place, small

pytestmark = pytest.mark.slow

RECIPE = """# @package _global_
# The same twice, the second time with what the first one knew of rows.
pipeline: [rl, more, blank]
data_mix: {train: {arithmetic: {limit: 6}}}
training: {steps: 3}
stages:
  rl: {curriculum: {name: ./counting.py:Counting}}
  more: {curriculum: {name: ./counting.py:Counting, begun: rl}, data_mix: {history: rl}}
  blank: {start_from: rl}
"""
COUNTING = """
from dataclasses import dataclass

from etude.component import option
from etude.curriculum.interface import Curriculum, StepPlan
from etude.live import Live


@dataclass(frozen=True)
class Counting(Curriculum):
    begun: str | None = option(None, "what was counted before", form="state reference")

    def open(self, stage):
        return Counted(stage.handed(self, "begun"))


class Counted(Live):
    def __init__(self, before):
        self.rows = 0 if before is None else before["rows"]

    def plan(self, step):
        return StepPlan()

    def observe(self, feedback):
        self.rows += len(feedback.rows)

    def metrics(self):
        return {"rows": self.rows}

    def state_dict(self):
        return {"rows": self.rows}

    def load_state_dict(self, state):
        self.rows = state["rows"]
"""
COMMAND = ("recipe=twice", *small(ROWS), "execution.checkpoint_every=1")


def put(place: Place) -> Place:
    (place.folder / "recipes").mkdir()
    (place.folder / "recipes/twice.yaml").write_text(RECIPE)
    (place.folder / "counting.py").write_text(COUNTING)
    return place


def stage(place: Place, name: str) -> Path:
    (found,) = (place.folder / "outputs/stages").glob(f"{name}-*")
    return found


def told(place: Place, name: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (stage(place, name) / "metrics.jsonl").open()]


def kept(place: Place) -> dict[str, bytes]:
    files = ("metrics.jsonl", "data_mix.history/state.json", "data_mix.history/tensors.safetensors")
    return {f"{name} {file}": (stage(place, name) / file).read_bytes()
            for name in ("rl", "more", "blank") for file in files}  # fmt: skip


def test_a_stage_begins_with_what_an_earlier_one_knew_and_goes_on_from_kills_to_the_bit(
    here: Place, elsewhere: Callable[[str], Place]
) -> None:
    put(here)
    ended = here.train(*COMMAND)
    assert ended.code == 0, ended.said
    first, more, blank = (told(here, name) for name in ("rl", "more", "blank"))
    known = "data_mix/history/rows"
    assert first[0][known] == blank[0][known] == 4
    assert more[0][known] == first[-1][known] == 6
    rows = [line["rollout/rows"] for line in (*first, *more)]
    assert more[-1]["curriculum/rows"] == sum(rows)
    done = json.loads((stage(here, "more") / "DONE.json").read_text())
    assert "curriculum.begun/state.json" in done["files"]

    there = put(elsewhere("killed"))
    moments = (
        Moment("etude.learner.handed_states:HandedStates.export", 1),
        Moment("etude.learner.trainee:Trainee.update", 2),
    )
    there.train_through_kills(moments, *COMMAND)
    assert kept(there) == kept(here)


def test_a_state_that_is_not_as_it_was_handed_on_is_made_anew(here: Place) -> None:
    put(here)
    ended = here.train(*COMMAND, "pipeline=[rl]")
    assert ended.code == 0, ended.said
    state = stage(here, "rl") / "data_mix.history/state.json"
    whole = state.read_bytes()
    state.write_text("{}")
    ended = here.train(*COMMAND, "pipeline=[rl,more]")
    assert ended.code == 0, ended.said
    assert (stage(here, "rl") / "data_mix.history/state.json").read_bytes() == whole
    assert told(here, "more")[0]["data_mix/history/rows"] == 6
