"""A verifier by path is called once when the command is typed, on a row with its own answer."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from written import composed, refused, write

from etude.config import check_rows


@pytest.fixture(autouse=True)
def _in_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ('return columns["answr"] == response', "failed: KeyError: 'answr' (own.py:2)."),
        (
            "return float('nan')",
            "failed: score (own.py:1) returned nan, which is no finite number.",
        ),
        ("return 'yes'", "returned 'yes', a str; it returns a number or a dict of named parts"),
        ("return {'a': None}", "returned None for the part 'a', a NoneType"),
        ("return {}", "returned no parts at all"),
        ("raise SystemExit(3)", "failed:"),
    ],
)
def test_what_only_calling_shows_is_told_with_file_and_line(
    body: str, said: str, tmp_path: Path
) -> None:
    write(tmp_path, own=f"def score(prompt, response, columns):\n    {body}\n")
    told = refused("verifier=./own.py:score")
    assert said in told and "called on the row arithmetic:" in told


def test_a_function_that_hangs_is_told_with_the_limit_that_it_overran(tmp_path: Path) -> None:
    write(tmp_path, own="def score(response):\n    while True:\n        pass\n")
    told = refused("verifier=./own.py:score", "verifier.timeout=0.3")
    assert "gave no verdict after 0.3 s" in told and "verifier.timeout=SECONDS" in told


def test_an_error_while_the_file_is_imported_is_told_with_its_line(tmp_path: Path) -> None:
    write(tmp_path, own="HALF = 1 / 0\n\n\ndef score(response):\n    return 1.0\n")
    told = refused("verifier=./own.py:score")
    assert "cannot start in a worker process: ZeroDivisionError" in told and "(own.py:1)" in told


def test_a_class_without_a_judgement_is_told(tmp_path: Path) -> None:
    write(
        tmp_path,
        own="""
        from dataclasses import dataclass

        from etude.verifier.interface import Verifier


        @dataclass(frozen=True)
        class Mine(Verifier):
            level: int = 1

            def __post_init__(self):
                if self.level > 3:
                    raise ValueError("there are three levels")
        """,
    )
    assert "Mine defines neither judge nor judge_group" in refused("verifier=./own.py:Mine")
    told = refused("verifier=./own.py:Mine", "verifier.level=4")
    assert "cannot be used: ValueError: there are three levels (own.py:13)" in told


def test_what_may_be_reached_elsewhere_is_no_fault_here(tmp_path: Path) -> None:
    write(tmp_path, own="def score(response):\n    return open('/no/such/judge').read() == 'y'\n")
    assert composed("verifier=./own.py:score").runs


def test_parts_that_only_calling_tells_are_held_to_the_weights(tmp_path: Path) -> None:
    write(tmp_path, own="def score(response):\n    return dict(right=1.0, short=0.5)\n")
    assert composed("verifier=./own.py:score").runs
    told = refused("verifier=./own.py:score", "reward_weighting.weights={right: 1, shrt: 1}")
    assert "names the part 'shrt'" in told and "Did you mean short?" in told


def test_parts_that_are_declared_and_not_returned_are_told(tmp_path: Path) -> None:
    write(
        tmp_path,
        own="""
        from typing import Literal


        def score(response) -> dict[Literal["right", "short"], float]:
            return dict(right=1.0)
        """,
    )
    told = refused("verifier=./own.py:score")
    assert "says that it returns the parts right, short, and returned right." in told


def test_rows_of_a_local_file_and_their_columns_are_what_it_is_called_with(tmp_path: Path) -> None:
    rows = [{"prompt": "2+2", "answer": "4", "hint": str(number)} for number in range(8)]
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    write(tmp_path, own="def score(hint):\n    return {'0': 1.0}[hint]\n")
    source = "sources.mine={name: dataset, path: rows.jsonl, columns: {prompt: prompt, hint: hint}}"
    mix = ("~data_mix.train.arithmetic", "+data_mix.train.mine.split=train")
    assert composed("verifier=./own.py:score", source, *mix, "evaluation=null").runs


def test_a_long_sweep_calls_its_first_ones_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(check_rows, "_CALLS", 1)
    write(tmp_path, own="def score(response, *, x=1):\n    return 1 / (x - 9)\n")
    sweep = ",".join(map(str, range(1, 12)))
    assert len(composed("verifier=./own.py:score", f"verifier.x={sweep}", multirun=True).runs) == 11
