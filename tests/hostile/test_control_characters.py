"""Escapes and control characters in names, values, files and rows: none reaches the terminal."""

from __future__ import annotations

import json
from typing import Any

import pytest
from inputs import Hostile, check, sampled

from warm_commands import PROBLEMS, ROLLOUTS, Place, small

#: Clears the screen, retitles the window, rings, goes back, a C1 colour, turns the line around.
EVIL = "\x1b[2J\x1b]0;owned\x07\x08\x9b31m\u202etxt"
SHOWN = "\\x1b[2J"

TYPED = [
    Hostile("objective", [f"objective={EVIL}"], [SHOWN]),
    Hostile("key", [f"training.{EVIL}=3"], [SHOWN]),
    Hostile("value of a number", [f"optimizer.lr={EVIL}"], [SHOWN]),
    Hostile("flag", [f"--{EVIL}"], [SHOWN]),
    Hostile("recipe", [f"recipe={EVIL}"], [SHOWN]),
    Hostile("stage", [f"stages.{EVIL}.training.steps=3"], [SHOWN]),
    Hostile("pipeline", [f'pipeline=["{EVIL}"]'], [SHOWN]),
    Hostile("C1 alone", ["objective=\x9b31m"], ["\\x9b31m"]),
    Hostile("turned around", ["objective=a\u202eb"], ["\\u202e"]),
    Hostile("tab", ["objective=a\tb"], ["a\\tb"]),
    Hostile("show", ["show", f"objective={EVIL}"], [SHOWN], command="etude"),
    Hostile("list", ["list", EVIL], [SHOWN], command="etude"),
    Hostile("command", [EVIL], [SHOWN], command="etude"),
    Hostile("plan", ["plan", f"objective={EVIL}"], [SHOWN], command="etude"),
    Hostile("status", ["status", "--outputs", EVIL], [SHOWN], code=0, command="etude"),
    Hostile("resume", ["resume", "a", "--outputs", EVIL], [SHOWN], code=1, command="etude"),
    Hostile("cancel", ["cancel", "a", "--outputs", EVIL], [SHOWN], code=1, command="etude"),
    Hostile("option of clean", ["clean", f"--{EVIL}"], [SHOWN], command="etude"),
    Hostile("option of status", ["status", f"--{EVIL}"], [SHOWN], command="etude"),
    Hostile("checkpoint", [f"checkpoint={EVIL}"], [SHOWN], command="evaluate"),
]


@pytest.mark.parametrize("hostile", sampled(TYPED))
def test_what_is_typed_steers_no_terminal(hostile: Hostile, here: Place) -> None:
    check(hostile, here)


def rows(count: int = 8, **changed: str) -> str:
    """Return a file of rows with something in the place of some columns."""
    usual = {"name": "r", "question": "1 + 1", "worked": "2", "final": "2"}
    made = [{**usual, **changed, "name": f"{changed.get('name', 'r')}{n}"} for n in range(count)]
    return "".join(json.dumps(each) + "\n" for each in made)


def own(
    name: str, content: str, says: list[str], *words: str, code: int = 2, file: str = "rows.jsonl"
) -> Hostile:
    """Return a command that teaches the rows of a file, and what it has to say."""
    quoted = json.dumps(file)
    columns = "{id: name, prompt: question, solution: worked, answer: final}"
    source = f"defaults: [dataset, _self_]\npath: {quoted}\ncolumns: {columns}\n"
    mix = (
        "defaults: [mix, _self_]\ntrain: {mine: {split: train}}\nheld_out: {}\n"
        'prompt_template: "{prompt}"\nresponse_template: "{solution}"\n'
    )
    files = {"conf/sources/mine.yaml": source, "conf/data_mix/mine.yaml": mix}
    if content:
        files[file] = content
    typed: list[Any] = ["recipe=sft", "data_mix=mine", "evaluation=null", "training.steps=1"]
    typed += small(PROBLEMS, "evaluation", *ROLLOUTS, "rollout")
    return Hostile(name, [*typed, *words], says, code=code, files=files, seconds=60)


ROWS = [
    own("half a row", '{"name": "' + EVIL.replace("\x1b", "\\u001b"), ["rows.jsonl:1"]),
    own("raw bytes", f"{EVIL}\n", ["rows.jsonl:1"]),
    own("a column", json.dumps({EVIL: 1}) + "\n", [SHOWN]),
    own("no file", "", [SHOWN], file=f"{EVIL}.jsonl".replace("/", "")),
    own("id", rows(name=EVIL, worked="x" * 900), [SHOWN, "training.max_length"]),
    own("file", '{"name": "', [f"{SHOWN}\\x1b]0;owned\\x07"], file=f"{EVIL}.jsonl"),
]


@pytest.mark.slow
@pytest.mark.parametrize("hostile", sampled(ROWS))
def test_what_rows_and_files_hold_steers_no_terminal(hostile: Hostile, here: Place) -> None:
    check(hostile, here)


@pytest.mark.slow
def test_control_characters_are_trained_on_and_shown_written_out(here: Place) -> None:
    hostile = own("trained", rows(question=EVIL, worked=EVIL, name=EVIL), ["finished"], code=0)
    ended = check(hostile, here)
    assert ended.code == 0
    for log in here.folder.glob("outputs/stages/*/attempts/*/log"):
        assert "\x1b" not in log.read_text() and "\x9b" not in log.read_text()
