"""A process in which nothing moves is ended, and says where it stood."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from fake_stage import chain, config, run, stuck

from etude.errors import HUNG_EXIT, Fenced
from etude.execute.watchdog import Watchdog, progress

pytestmark = pytest.mark.slow

HALF_A_SECOND = 0.5 / 60


def forked(work: Callable[[], object]) -> int:
    process = os.fork()
    if process == 0:
        try:
            work()
        finally:
            os._exit(0)
    return process


def exit_status(process: int) -> int:
    return os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])


def test_a_stage_that_hangs_is_ended_with_its_stack_and_goes_on_from_its_checkpoint(
    tmp_path: Path,
) -> None:
    hangs = config("sft", 6, hang_at=4, hang_minutes=HALF_A_SECOND)
    assert exit_status(forked(lambda: run(chain(tmp_path, ("sft", hangs))))) == HUNG_EXIT == 74
    first = tmp_path / "stages/sft-fsft1/attempts/1"
    failed = json.loads((first / "FAILED.json").read_text())
    assert (failed["kind"], failed["step"], failed["resumes_from"]) == ("Hung", 4, 3)
    assert "no step finished" in failed["error"] and str(first / "log") in failed["error"]
    log = (first / "log").read_text()
    assert "fake_stage.py" in log and "in stuck" in log
    assert run(chain(tmp_path, ("sft", config("sft", 6)))) == 0
    about = json.loads((first.parent / "2/attempt.json").read_text())
    assert about["first_step"] == 3


def test_a_stage_that_moves_slowly_is_left_alone(tmp_path: Path) -> None:
    slow = config("sft", 6, delay=0.2, hang_minutes=HALF_A_SECOND)
    assert run(chain(tmp_path, ("sft", slow))) == 0


def test_without_a_limit_nothing_is_watched(tmp_path: Path) -> None:
    for minutes in (None, 0):
        with Watchdog(minutes, tmp_path / "log"):
            time.sleep(0.1)
    assert not list(tmp_path.iterdir())


def test_another_rank_writes_a_log_of_its_own_and_no_failure(tmp_path: Path) -> None:
    def rank() -> None:
        with Watchdog(HALF_A_SECOND / 2, tmp_path / "log.rank1"):
            stuck()

    assert exit_status(forked(rank)) == HUNG_EXIT
    assert [path.name for path in tmp_path.iterdir()] == ["log.rank1"]


def test_one_that_was_fenced_off_leaves_no_failure(tmp_path: Path) -> None:
    def check() -> None:
        raise Fenced("another attempt took over")

    def hangs() -> None:
        failed = tmp_path / "FAILED.json"
        with Watchdog(HALF_A_SECOND / 2, tmp_path / "log", failed=failed, check=check):
            stuck()

    assert exit_status(forked(hangs)) == HUNG_EXIT
    assert [path.name for path in tmp_path.iterdir()] == ["log"]


def test_time_in_which_a_process_was_stopped_does_not_count(tmp_path: Path) -> None:
    def works() -> None:
        with Watchdog(1.6 * HALF_A_SECOND, tmp_path / "log"):
            for moment in range(16):
                time.sleep(0.05)
                if moment == 7:
                    progress()

    process = forked(works)
    time.sleep(0.2)
    os.kill(process, signal.SIGSTOP)
    time.sleep(1.0)
    os.kill(process, signal.SIGCONT)
    assert exit_status(process) == 0
