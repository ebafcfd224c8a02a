"""Where a key is text, what was typed is what it holds, however much it looks like a number."""

from __future__ import annotations

from typing import Any

import pytest

from etude.config.keys import at
from etude.config.prepare import prepare


def held(path: str, *overrides: str, multirun: bool = False) -> list[Any]:
    """Return what a key of the last stage of each run holds."""
    prepared = prepare(overrides, multirun=multirun)
    return [at(stages[-1].config, path) for _, stages in prepared.runs]


@pytest.mark.parametrize(
    "text", ["1e3", "12e4567", "007", "1_000", "true", "FALSE", "inf", "nan", "0x1F", "+5", "1.50"]
)
def test_a_text_key_keeps_what_looks_like_something_else(text: str) -> None:
    assert held("tracker.group", f"tracker.group={text}") == [text]
    assert held("rollout.stop", f"rollout.stop=[a,{text}]") == [["a", text]]
    assert held("stages", f"stages.rl.rollout.stop=[{text}]") == [None]


def test_a_sweep_keeps_it_too() -> None:
    assert held("tracker.group", "tracker.group=1e3,007,true", multirun=True) == [
        "1e3",
        "007",
        "true",
    ]


def test_a_mapping_of_texts_keeps_it() -> None:
    columns = "sources.mine={name:dataset,path:rows.jsonl,columns:{prompt:1e3,answer:007}}"
    assert held("sources.mine.columns", columns)[0]["prompt"] == "1e3"
    assert held("sources.mine.columns", columns)[0]["answer"] == "007"


def test_a_number_stays_a_number_where_the_key_is_one() -> None:
    assert held("optimizer.lr", "optimizer.lr=1e-3") == [1e-3]
    assert held("evaluation.k", "evaluation.k=[1,2]") == [[1, 2]]
    assert held("launcher.sbatch", "launcher=slurm", "launcher.sbatch={nice:100}") == [
        {"nice": 100}
    ]


@pytest.mark.parametrize(
    ("typed", "stops"),
    [
        (r'["\n\n"]', ["\n\n"]),
        (r"['\n\n']", ["\n\n"]),
        ('["\n\n"]', ["\n\n"]),
        (r'["a\tb","\n"]', ["a\tb", "\n"]),
        ("[x]", ["x"]),
    ],
)
def test_line_breaks_of_stop_texts_are_line_breaks(typed: str, stops: list[str]) -> None:
    assert held("rollout.stop", f"rollout.stop={typed}") == [stops]
