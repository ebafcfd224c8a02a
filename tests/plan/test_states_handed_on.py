"""The state of a component is an output of its stage, which the same component takes up later."""

from __future__ import annotations

from pathlib import Path

import pytest

from etude.config.prepare import prepare
from etude.errors import ConfigError
from etude.plan.graph import build_graph
from etude.plan.nodes import Graph
from etude.plan.references import Made

RECIPE = """# @package _global_
# The same twice, the second time with what the first one knew of rows.
defaults:
  - /objective@stages.sft.objective: sft
  - /data_mix@stages.sft.data_mix: arithmetic_worked
pipeline: [sft, rl, more]
stages:
  sft: {}
  rl: {}
  more: {data_mix: {history: rl}}
"""
COUNTING = """
from dataclasses import dataclass
from etude.component import option
from etude.curriculum.interface import Curriculum

@dataclass(frozen=True)
class Counting(Curriculum):
    '''Counts rows over stages.'''
    begun: str | None = option(None, "what was counted before", form="state reference")
"""


@pytest.fixture(autouse=True)
def _in_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "recipes").mkdir()
    (tmp_path / "recipes/twice.yaml").write_text(RECIPE)
    (tmp_path / "counting.py").write_text(COUNTING)


def planned(*words: str) -> Graph:
    return build_graph(prepare(["recipe=twice", *words]).runs, outputs=Path("outputs"))


def refused(*words: str) -> str:
    with pytest.raises(ConfigError) as raised:
        prepare(["recipe=twice", *words])
    return str(raised.value)


def test_a_stage_that_samples_hands_on_what_it_knows_of_rows_and_another_takes_it_up() -> None:
    sft, rl, more = planned().stages.values()
    assert sft.outputs == ("model",)
    assert rl.outputs == more.outputs == ("model", "data_mix.history")
    assert more.inputs["data_mix.history"] == Made(rl.fingerprint, "data_mix.history")


def test_the_stage_alone_is_short_for_its_output_and_what_is_taken_up_counts() -> None:
    def of(*words: str) -> str:
        return list(planned(*words).stages)[-1]

    assert of("stages.more.data_mix.history=rl.data_mix.history") == of()
    assert of("stages.more.data_mix.history=null") != of()


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ("stages.more.data_mix.history=rl.data_mix.histroy", "Did you mean data_mix.history?"),
        ("stages.more.data_mix.history=sft", "the stage sft hands on model."),
        ("stages.more.data_mix.history=rl.model", "which is a model, and a state is taken up here"),
        ("stages.more.data_mix.history=base", "of a stage (sft, rl, more) or from the folder"),
        ("stages.rl.data_mix.history=more", "waits for itself: rl → more → rl."),
        ("stages.more.start_from=rl.data_mix.history", "a state, and a model is loaded here"),
        ("stages.sft.data_mix.history=rl", "is read by"),
    ],
)
def test_what_is_no_such_state_is_refused_with_what_to_type(typed: str, said: str) -> None:
    assert said in refused(typed)


def test_a_component_of_a_file_hands_on_a_state_in_the_same_way() -> None:
    both = (
        "stages.rl.curriculum=./counting.py:Counting",
        "stages.more.curriculum=./counting.py:Counting",
    )
    _, rl, more = planned(*both, "stages.more.curriculum.begun=rl").stages.values()
    assert rl.outputs == ("model", "data_mix.history", "curriculum.begun")
    assert more.inputs["curriculum.begun"] == Made(rl.fingerprint, "curriculum.begun")
    said = refused(*both, "stages.more.curriculum.begun=rl.data_mix.history")
    assert "the state of curriculum.begun is taken up here, not another's" in said
