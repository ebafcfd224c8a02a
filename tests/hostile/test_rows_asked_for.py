"""Rows that cannot be there, and gates on numbers that nothing gives."""

from __future__ import annotations

import pytest
from inputs import Hostile, check, sampled

from warm_commands import Place

TRAIN = "data_mix.train.arithmetic"
GATE = "+stages.rl.gate.metric="
FILES = "sources.dataset.path=rows.jsonl"
ROWS = {"rows.jsonl": '{"question": "1+1", "answer": "2"}\n'}

ROWS_ASKED_FOR = [
    Hostile("no levels", [f"{TRAIN}.levels=[]"], [f"{TRAIN}.levels", "at least 1 item"]),
    Hostile(
        "a level beyond", [f"{TRAIN}.levels=[99]"], [f"{TRAIN}.levels", "asks for 99", "7, 8, 9"]
    ),
    Hostile("one of several", [f"{TRAIN}.levels=[1,0]"], [f"{TRAIN}.levels", "asks for 0"]),
    Hostile(
        "a level that is not generated",
        ["recipe=rl", f"{TRAIN}.levels=[5]", "sources.arithmetic.levels=3"],
        [f"{TRAIN}.levels asks for 5", "1, 2, 3"],
    ),
    Hostile(
        "a level that is held out",
        ["data_mix.held_out.arithmetic.levels=[12]"],
        ["data_mix.held_out.arithmetic.levels asks for 12"],
    ),
    Hostile(
        "levels of a stage",
        ["+stages.sft.data_mix.train.arithmetic.levels=[10]"],
        ["stages.sft.data_mix.train.arithmetic.levels"],
    ),
    Hostile("more levels than there are", ["sources.arithmetic.levels=10"], ["at most 9"]),
    Hostile(
        "levels of rows without any",
        ["recipe=rl", "data_mix=mix", "+data_mix.train.dataset={levels:[1]}", FILES],
        ["data_mix.train.dataset.levels", "no column 'level'"],
        files=ROWS,
    ),
    Hostile("a split", [f"{TRAIN}.split=dev"], [f"{TRAIN}.split is 'dev'", "train, test"]),
    Hostile("a split misspelt", [f"{TRAIN}.split=trian"], ["Did you mean train?"]),
    Hostile(
        "a held-out split",
        ["data_mix.held_out.arithmetic.split=validation"],
        ["data_mix.held_out.arithmetic.split is 'validation'"],
    ),
    Hostile(
        "measured",
        ["checkpoint=.", "data_mix.held_out.arithmetic.split=dev"],
        ["data_mix.held_out.arithmetic.split is 'dev'"],
        command="evaluate",
    ),
    Hostile(
        "demonstrations",
        ["recipe=rl", "objective=chord", "+data_mix.demonstrations.arithmetic={levels:[77]}"],
        ["data_mix.demonstrations.arithmetic.levels asks for 77"],
    ),
    Hostile(
        "demonstrations of nowhere",
        ["recipe=rl", "objective=chord", "+data_mix.demonstrations.arithmetics={}"],
        ["data_mix.demonstrations.arithmetics", "Did you mean arithmetic?"],
    ),
    Hostile("a limit of nothing", [f"{TRAIN}.limit=0"], [f"{TRAIN}.limit is at least 1"]),
    Hostile("a weight of nothing", [f"{TRAIN}.weight=0"], [f"{TRAIN}.weight is more than 0"]),
    Hostile(
        "a column that is not mapped",
        ["recipe=sft", "data_mix.response_template='{worked}'"],
        ["names the column 'worked'", "arithmetic"],
    ),
    Hostile(
        "answers that are not mapped",
        [
            "recipe=rl",
            "data_mix=mix",
            "+data_mix.train.dataset={}",
            FILES,
            "evaluation=null",
            "~sources.dataset.columns.answer",
        ],
        ["needs the data column 'answer'"],
        files=ROWS,
    ),
]

GATES = [
    Hostile(
        "misspelt", [GATE + "pas@1"], ["stages.rl.gate.metric names 'pas@1'", "Did you mean pass@1"]
    ),
    Hostile("more tries than answers", [GATE + "pass@64"], ["'pass@64'", "pass@8"]),
    Hostile("tries that are not asked for", [GATE + "pass@4"], ["'pass@4'", "It gives pass@1"]),
    Hostile("another name", [GATE + "accuracy"], ["'accuracy'", "avg@8"]),
    Hostile("votes of one", [GATE + "maj@1"], ["'maj@1'", "maj@8"]),
    Hostile(
        "a loss without responses",
        ["recipe=rl", "data_mix.response_template=null", GATE + "loss"],
        ["'loss'"],
    ),
    Hostile("greedy", ["evaluation=greedy", GATE + "pass@8"], ["'pass@8'", "It gives pass@1"]),
    Hostile(
        "never reached",
        [GATE + "pass@1", "+stages.rl.gate.at_least=1.5"],
        ["stages.rl.gate.at_least is 1.5", "0 to 1"],
    ),
    Hostile(
        "percent",
        [GATE + "pass@1", "+stages.rl.gate.at_least=50"],
        ["stages.rl.gate.at_least is 50"],
    ),
    Hostile("below anything", ["+stages.rl.gate.at_least=-1"], ["stages.rl.gate.at_least is -1"]),
    Hostile(
        "without an evaluation",
        [GATE + "pass@1", "evaluation=null"],
        ["stages.rl.gate", "evaluation=pass_at_k"],
    ),
    Hostile(
        "another stage",
        ["+stages.sft.gate.metric=reward"],
        ["stages.sft.gate.metric names 'reward'"],
    ),
    Hostile(
        "planned",
        ["plan", GATE + "pas@1"],
        ["stages.rl.gate.metric"],
        command="etude",
    ),
    Hostile(
        "two stages in one report",
        [GATE + "nope", "+stages.sft.gate.metric=nope"],
        ["Two things to mend", "stages.sft.gate.metric", "stages.rl.gate.metric"],
    ),
]


@pytest.mark.parametrize("hostile", sampled(ROWS_ASKED_FOR))
def test_rows_that_cannot_be_there_are_refused(hostile: Hostile, here: Place) -> None:
    check(hostile, here)


@pytest.mark.parametrize("hostile", sampled(GATES))
def test_a_gate_on_what_no_evaluation_gives_is_refused(hostile: Hostile, here: Place) -> None:
    check(hostile, here)
