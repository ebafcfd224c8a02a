"""Rows handed on, gates and rounds, as the real commands run them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from warm_commands import ROLLOUTS, SMALL, Place, small

pytestmark = pytest.mark.slow

ROUNDS = """# @package _global_
# Expert iteration: sample, train the base on what was sampled, twice.
defaults:
  - /objective@stages.sample.objective: generate
  - /objective@stages.improve.objective: sft
  - /data_mix@stages.improve.data_mix: generated
pipeline: [sample, improve]
sources: {generated: {from_stage: sample}}
training: {steps: 1}
stages:
  sample: {objective: {keep: all, samples_per_prompt: 2, max_per_prompt: 1}}
  improve:
    data_mix: {held_out: {arithmetic: {split: test}}}
    repeat: {times: 2, stages: [sample, improve]}
"""
GATE = """# @package _global_
defaults:
  - /objective@stages.sft.objective: sft
  - /data_mix@stages.sft.data_mix: arithmetic_worked
  - /objective@stages.more.objective: sft
  - /data_mix@stages.more.data_mix: arithmetic_worked
pipeline: [sft, more, rl]
training: {steps: 1}
stages:
  sft: {}
  more: {gate: {metric: pass@1, at_least: 0.9}}
  rl: {}
"""


def write_recipe(place: Place, name: str, text: str) -> None:
    (place.folder / "recipes").mkdir(exist_ok=True)
    (place.folder / "recipes" / f"{name}.yaml").write_text(text)


def stage(place: Place, name: str) -> Path:
    (found,) = (place.folder / "outputs/stages").glob(f"{name}-*")
    return found


def fingerprint(folder: Path) -> str:
    return folder.name.rpartition("-")[2]


def test_generated_rows_are_the_next_stages_demonstrations_round_after_round(here: Place) -> None:
    write_recipe(here, "rounds", ROUNDS)
    ended = here.train("recipe=rounds", *small(*ROLLOUTS), "evaluation.problems=2")
    assert ended.code == 0, ended.said
    models = set()
    for number in (1, 2):
        written = stage(here, f"sample-{number}") / "data/rows.jsonl"
        rows = [json.loads(line) for line in written.open()]
        assert len(rows) == 8  # of two samples a prompt, one is kept
        assert {"id", "prompt", "solution", "answer", "reward"} <= rows[0].keys()
        trained = stage(here, f"improve-{number}")
        (line,) = (json.loads(line) for line in (trained / "metrics.jsonl").open())
        # A character is a token; what spells a control token in an answer is taught as its text.
        assert 8 < line["tokens"] <= sum(len(row["solution"]) + 1 for row in rows)
        models.add((trained / "model/model.safetensors").read_bytes())
        about = json.loads((trained / "stage.json").read_text())
        assert fingerprint(stage(here, f"sample-{number}")) in about["parents"]
    assert len(models) == 2
    second = json.loads((stage(here, "sample-2") / "stage.json").read_text())
    assert fingerprint(stage(here, "improve-1")) in second["parents"]


def test_a_gate_that_is_not_passed_stops_or_keeps_the_model_before(here: Place) -> None:
    write_recipe(here, "gated", GATE)
    command = ("recipe=gated", *SMALL, "evaluation.problems=2")
    ended = here.train(*command)
    assert ended.code == 1, ended.said
    assert "rl (" in ended.out and "does not run: pass@1 0 < 0.9 after more" in ended.out
    assert not list((here.folder / "outputs/stages").glob("rl-*"))
    assert f" next     evaluate checkpoint=outputs/stages/{stage(here, 'more').name}/" in ended.out

    ended = here.train(*command, "stages.more.gate.on_fail=keep_previous")
    assert ended.code == 0, ended.said
    assert "rl starts from the model before that stage: pass@1 0 < 0.9 after more" in ended.out
    assert "sft done (" in ended.out and "more done (" in ended.out
    kept = stage(here, "rl")

    # The last stage's gate is heard too.
    first = ("recipe=gated", *small(*ROLLOUTS), "evaluation.problems=2")
    ended = here.train(*first, "pipeline=[sft,more]")
    assert ended.code == 1, ended.said
    assert "warning: stopped: pass@1 0 < 0.9 after more" in ended.out

    # From the same model, training goes the same way.
    ended = here.train(*command, "pipeline=[sft,rl]")
    assert ended.code == 0, ended.said
    found = list((here.folder / "outputs/stages").glob("rl-*/model/model.safetensors"))
    assert len(found) == 2
    assert found[0].read_bytes() == found[1].read_bytes()
    assert kept / "model/model.safetensors" in found
