"""Evaluations beside main in whole runs: measured, heard, chosen by, gone on with to the bit."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from warm_commands import ROWS, Moment, Place, small

pytestmark = pytest.mark.slow

FILES = [Path(__file__).parents[1] / name for name in ("measures.py", "heeding.py")]
COMMAND = (
    "recipe=rl",
    *small(ROWS, "training.steps"),
    "training.steps=4",
    "evaluations.calm.evaluation=./measures.py:Calm",
    "evaluations.calm.evaluation.problems=4",
    "evaluations.same={}",
    "curriculum=./heeding.py:Heed",
    "execution.evaluate_every=4",
    "execution.checkpoint_every=3",
    "training.hand_on=-calm/largest",
)
LINES = ("metrics.jsonl", "samples.jsonl", "evaluations.jsonl", "evaluation_samples.jsonl")


def lines(raw: bytes) -> list[dict[str, Any]]:
    return [json.loads(line) for line in raw.splitlines()]


def test_named_evaluations_are_measured_heard_and_chosen_by_and_resume_to_the_bit(
    here: Place, elsewhere: Callable[[str], Place]
) -> None:
    here.with_files(*FILES)
    ended = here.train(*COMMAND)
    assert ended.code == 0, ended.said
    whole = here.kept(*LINES)
    order = [(line["step"], line.get("evaluation")) for line in lines(whole["evaluations.jsonl"])]
    # After step 2 only what the curriculum asked for; after step 4 all, that one not again.
    assert order == [(2, "calm"), (4, "calm"), (4, None), (4, "same")]
    told = lines(whole["metrics.jsonl"])
    assert [line["curriculum/limit"] for line in told] == [4, 5, 5, 6]
    heard = [line for line in lines(whole["evaluations.jsonl"]) if line.get("evaluation") == "calm"]
    largest = [line["metrics"]["largest"]["value"] for line in heard]
    assert [told[1]["curriculum/largest"], told[3]["curriculum/largest"]] == largest
    done = json.loads((here.stage() / "DONE.json").read_text())
    assert done["model_step"] == (2 if largest[0] < largest[1] else 4)

    names = sorted(
        path.name.rpartition("-")[0] for path in (here.folder / "outputs/evaluations").iterdir()
    )
    assert names == ["base", "base.calm", "rl", "rl.calm"]  # `same` is main's, under another name
    assert "rl.calm: " in ended.said and "calm/longer" in ended.said and "  same" in ended.said
    status = here.run("etude", "status")
    assert "calm/longer" in status.said, status.said

    there = elsewhere("killed").with_files(*FILES)
    moments = (
        # After the evaluation of step 2 was written, and before there is a checkpoint of it.
        Moment("etude.learner.trainee:Trainee.update", 3),
        Moment("etude.execute.checkpoint:write", 2),
    )
    there.train_through_kills(moments, *COMMAND)
    assert there.kept(*LINES) == whole


def test_evaluate_measures_a_model_by_all_of_them_and_a_gate_stops_by_one(here: Place) -> None:
    here.with_files(*FILES)
    ended = here.train(
        "recipe=sft_then_rl",
        *small("training."),
        "stages.sft.training.steps=1",
        "evaluations.calm.evaluation=./measures.py:Calm",
        "evaluations.calm.evaluation.problems=2",
        "stages.sft.gate.metric=calm/largest",
        "stages.sft.gate.at_least=1000",
    )
    assert ended.code == 1
    assert "stopped: calm/largest " in ended.said and "< 1000 after sft" in ended.said
    assert not list((here.folder / "outputs/stages").glob("rl-*"))
    (model,) = (here.folder / "outputs/stages").glob("sft-*/model")
    ended = here.run(
        "evaluate",
        f"checkpoint={model}",
        "model=scratch",
        "evaluation.problems=2",
        "evaluation.samples=2",
        "evaluations.agreement.evaluation=./measures.py:agreement",
        "evaluations.agreement.evaluation.problems=2",
    )
    assert ended.code == 0, ended.said
    assert "sft.agreement" in ended.said and "agreement  " in ended.said
