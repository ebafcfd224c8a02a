"""Following a run: lines about what changed, a table in a terminal, and the code at its end."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from etude.launch.seeing.lines import RunState
from etude.launch.seeing.seen import Seen
from etude.launch.seeing.watch import follow, table


def run(*seen: Seen) -> RunState:
    return RunState("2026-01-01-sweep-77aa", "runs/x", seen, (), "etude resume 77aa")


def looks(*states: RunState) -> Any:
    each: Iterator[RunState] = iter((*states, *[states[-1]] * 3))
    return lambda folder: next(each)


SFT = Seen("sft", "aaaa1", "running", job="81", attempt=1, step=3, steps=9)
RL = Seen("rl", "bbbb1", "waiting", cause="for sft", job="82")
SFT_DONE = Seen("sft", "aaaa1", "done", steps=9)
RL_DONE = Seen("rl", "bbbb1", "done", steps=5)
RL_FAILED = Seen("rl", "bbbb1", "failed", cause="no rows", attempt=1, step=2, steps=5)


def test_in_a_log_each_change_is_a_line_and_all_done_is_0() -> None:
    out = io.StringIO()
    states = looks(run(SFT, RL), run(SFT, RL), run(SFT_DONE, RL), run(SFT_DONE, RL_DONE))
    assert follow(Path("x"), 0.0, out=out, state=states) == 0
    text = out.getvalue()
    assert text.count("1 running, 1 waiting") == 1
    assert text.count(" sft-aaaa  done  9 steps\n") == 2  # when it happened, and at the end
    assert "2 stages: 2 done" in text and "\x1b" not in text


def test_a_failure_is_told_at_once_and_the_code_is_1() -> None:
    out = io.StringIO()
    many = [Seen("more", f"c{n:03d}", "done") for n in range(40)]
    states = looks(run(SFT, RL, *many), run(SFT, RL_FAILED, *many), run(SFT_DONE, RL_FAILED, *many))
    assert follow(Path("x"), 0.0, out=out, state=states) == 1
    before = out.getvalue().partition("41 done, 1 failed")[0]
    assert "rl-bbbb  FAILED  attempt 1, step 2/5: no rows" in before
    assert "goes on from its beginning: etude resume 77aa" in before


def test_an_end_that_is_seen_only_once_is_none() -> None:
    vanished = Seen("rl", "bbbb1", "vanished", job="82")
    states = looks(run(SFT_DONE, RL), run(SFT_DONE, vanished), run(SFT_DONE, RL), run(RL_DONE))
    assert follow(Path("x"), 0.0, out=io.StringIO(), state=states) == 0


def test_what_no_job_could_submit_is_submitted_by_who_waits() -> None:
    left = run(SFT_DONE, Seen("rl", "bbbb1", "unsubmitted"))
    asked: list[bool] = []

    def go_on() -> bool:
        asked.append(len(asked) < 2)
        return asked[-1]

    states = looks(left, left, left, left, left, run(SFT_DONE, RL), run(SFT_DONE, RL_DONE))
    assert follow(Path("x"), 0.0, out=io.StringIO(), state=states, go_on=go_on) == 0
    assert asked == [True, True]
    assert follow(Path("x"), 0.0, out=io.StringIO(), state=looks(left), go_on=go_on) == 1


def test_ctrl_c_leaves_the_jobs_and_says_so() -> None:
    def interrupted(folder: Path) -> RunState:
        if shown:
            raise KeyboardInterrupt
        shown.append(folder)
        return run(SFT, RL)

    shown: list[Path] = []
    out = io.StringIO()
    assert follow(Path("x"), 0.0, out=out, state=interrupted) == 130
    assert out.getvalue().endswith(
        "no longer watching; the run goes on. etude status 77aa · etude cancel 77aa\n"
    )


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_in_a_terminal_a_table_is_drawn_and_what_failed_stays(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("TERM", "xterm")
    out = Terminal()
    states = looks(run(SFT, RL), run(SFT_DONE, RL_FAILED))
    assert follow(Path("x"), 0.0, out=out, state=states) == 1
    assert "Ctrl-C stops watching" in out.getvalue() and "no rows" in out.getvalue()
    assert "\x1b[?25h" in out.getvalue()  # the cursor is back
    console = Console(file=io.StringIO(), width=90)
    console.print(table(run(SFT, RL, RL_DONE), rows=1))
    text = console.file.getvalue()  # type: ignore[attr-defined]
    assert "sft-aaaa  RUNNING  attempt 1, step 3/9" in text and "and 1 more" in text
