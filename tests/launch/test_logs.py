"""What ``etude logs`` prints, and that it follows a stage across requeues until it ends."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from etude.errors import StorageError
from etude.launch.seeing import logs
from fake_run import FakeRun, FakeSlurm


@pytest.fixture
def slurm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeSlurm:
    monkeypatch.chdir(tmp_path)
    return FakeSlurm(tmp_path / "bin", monkeypatch)


def printed(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    assert logs.main(list(words)) == 0
    return capsys.readouterr().out


def test_the_newest_start_is_printed_under_the_paths_of_all(
    tmp_path: Path, slurm: FakeSlurm, capsys: pytest.CaptureFixture[str]
) -> None:
    run = FakeRun(tmp_path / "outputs")
    run.submit({"sft1": "9"})
    run.submit({"sft1": "81_3"})
    for job, restart in (("81_3", 10), ("81_3", 9), ("9", 0)):
        run.printed("sft1", job, restart)
    run.attempt("sft1", 4, job="81_3", restart=9)
    place = "outputs/runs/2026-01-01-sweep-77aa/logs/sft-sft1"
    assert printed(capsys, "77aa", "sft").splitlines() == [
        f"# job 9: {place}/9.0/rank0.log",
        f"# attempt 4, job 81_3 (restart 9): {place}/81_3.9/rank0.log",
        f"# job 81_3 (restart 10): {place}/81_3.10/rank0.log",
        "job 81_3 restart 10 rank 0",
    ]
    assert printed(capsys, "77aa", "sft", "--attempt", "4").endswith(
        "\njob 81_3 restart 9 rank 0\n"
    )


def test_a_rank_is_chosen_and_one_that_never_printed_is_refused(
    tmp_path: Path, slurm: FakeSlurm, capsys: pytest.CaptureFixture[str]
) -> None:
    run = FakeRun(tmp_path / "outputs")
    run.submit({"sft1": "81"})
    for rank in (0, 1):
        run.printed("sft1", "81", rank=rank)
    assert printed(capsys, "77aa", "sft", "--rank", "1").endswith("restart 0 rank 1\n")
    with pytest.raises(StorageError, match=r"no rank 7 that printed; ranks that did: 0, 1"):
        logs.main(["77aa", "sft", "--rank", "7"])


def test_where_no_job_ran_it_the_log_of_the_attempt_is_printed(
    tmp_path: Path, slurm: FakeSlurm, capsys: pytest.CaptureFixture[str]
) -> None:
    run = FakeRun(tmp_path / "outputs")
    run.attempt("sft1", 1)
    run.attempt("sft1", 2)
    assert printed(capsys, "77aa", "sft").endswith("\nlog of attempt 2\n")
    assert printed(capsys, "77aa", "sft", "--attempt", "1").endswith("\nlog of attempt 1\n")
    with pytest.raises(StorageError, match=r"has no attempt 3; its attempts: 1, 2"):
        logs.main(["77aa", "sft", "--attempt", "3"])


def test_a_stage_is_named_by_overrides_or_by_the_head_of_its_folder(
    tmp_path: Path, slurm: FakeSlurm, capsys: pytest.CaptureFixture[str]
) -> None:
    run = FakeRun(tmp_path / "outputs", seeds=3)
    for seed in (1, 2, 3):
        run.attempt(f"rl{seed}")
    assert "rl-rl2" in printed(capsys, "77aa", "rl", "seed=2")
    assert "rl-rl3" in printed(capsys, "77aa", "rl-rl3")
    with pytest.raises(StorageError, match=r"'rl' fits 3 stages .*: rl-rl1 seed=1, rl-rl2 seed=2"):
        logs.main(["77aa", "rl"])
    with pytest.raises(StorageError, match=r"no stage 'dpo'; it has sft-sft1 seed=1, rl-rl1"):
        logs.main(["77aa", "dpo"])


def test_a_stage_that_has_printed_nothing_says_what_it_waits_for(
    tmp_path: Path, slurm: FakeSlurm
) -> None:
    run = FakeRun(tmp_path / "outputs")
    run.submit({"sft1": "81"})
    slurm.says("81 PENDING - Resources")
    with pytest.raises(StorageError, match=r"printed nothing yet: it is waiting \(for machines"):
        logs.main(["77aa", "sft"])


def test_following_goes_on_in_the_next_start_and_ends_with_the_stage(
    tmp_path: Path,
    slurm: FakeSlurm,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(logs, "_POLL", 0.02)
    monkeypatch.setattr(logs, "_ASK", 0.05)
    run = FakeRun(tmp_path / "outputs")
    run.submit({"sft1": "81"})
    slurm.says("81 RUNNING n1 None")
    first = run.printed("sft1", "81", text="one\n")
    out = ""

    def until(shown: Callable[[str], bool]) -> None:
        nonlocal out
        end = time.monotonic() + 10
        while not shown(out):
            assert time.monotonic() < end, out
            out += capsys.readouterr().out
            time.sleep(0.02)

    thread = threading.Thread(target=logs.main, args=(["77aa", "sft", "--follow"],), daemon=True)
    thread.start()
    until(lambda out: out.endswith("one\n"))
    with first.open("a") as stream:
        stream.write("two\n")
    until(lambda out: out.endswith("one\ntwo\n"))
    with first.open("a") as stream:
        stream.write("saved\n")
    run.printed("sft1", "81", restart=1, text="three\n")
    until(lambda out: "saved\n# job 81 (restart 1): " in out and out.endswith("\nthree\n"))
    assert thread.is_alive()
    run.done("sft1")
    slurm.says("", "81 COMPLETED 0:0")
    thread.join(10)
    assert not thread.is_alive()


def test_a_job_without_a_rank_shows_what_its_script_printed(
    tmp_path: Path, slurm: FakeSlurm, capsys: pytest.CaptureFixture[str]
) -> None:
    run = FakeRun(tmp_path / "outputs")
    run.submit({"sft1": "81"})
    (run.folder / "jobs").mkdir()
    (run.folder / "jobs" / "81_0_log.out").write_text("setup failed\n")
    assert printed(capsys, "77aa", "sft").endswith("81_0_log.out\nsetup failed\n")
    run.attempt("sft1", job="81")
    run.printed("sft1", "81")
    with pytest.raises(StorageError, match="no rank 1 that printed; ranks that did: 0"):
        logs.main(["77aa", "sft", "--rank", "1"])
