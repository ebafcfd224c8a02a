"""What ``etude cancel`` ends, what it leaves to others, and what it keeps from being submitted."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from etude.errors import StorageError
from etude.execute.owner import Owner
from etude.launch import registry
from etude.launch.seeing import cancel, status
from fake_run import FakeRun, FakeSlurm, dump


@pytest.fixture
def slurm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeSlurm:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(cancel, "_PAUSE", 0.0)
    monkeypatch.setattr(cancel, "_ROUNDS", 1)
    return FakeSlurm(tmp_path / "bin", monkeypatch)


def said(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    assert cancel.main(list(words)) == 0
    return capsys.readouterr().out


def test_live_jobs_are_cancelled_in_one_command_and_waiting_ones_are_noted(
    tmp_path: Path, slurm: FakeSlurm, capsys: pytest.CaptureFixture[str]
) -> None:
    run = FakeRun(tmp_path / "outputs", seeds=4)
    run.submit({f"sft{n}": f"81_{n}" for n in range(1, 5)})
    run.submit({"rl1": "90"})
    run.done("sft4")
    slurm.says(
        "81_1 RUNNING n1 None\n81_2 RUNNING n1 None\n81_3 RUNNING n1 None\n90 PENDING - None"
    )
    text = said(capsys, "77aa")
    assert slurm.calls("scancel") == ["-Q 90 81_[1-3]"]
    assert "cancelled 4 jobs of 2026-01-01-sweep-77aa: 90, 81_[1-3]" in text
    assert "3 stages that waited for room will not be submitted" in text
    assert text.endswith("go on with: etude resume 77aa\n")
    slurm.says("81_1 COMPLETING n1 None", None)
    assert "has no jobs of its own in the queue" in said(capsys, "77aa")
    registry.write_ended(run.folder, "sft2", {"state": "failed", "why": "a bug", "job": "81_2"})
    counts = status.runs(run.outputs)[0].counts
    assert counts == {"done": 1, "cancelled": 6, "failed": 1}


def test_a_job_that_comes_back_into_the_queue_is_cancelled_again(
    tmp_path: Path, slurm: FakeSlurm, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = FakeRun(tmp_path / "outputs")
    run.submit({"sft1": "81", "rl1": "82"})
    slurm.says("81 PENDING - BeginTime\n82 COMPLETING n1 None")
    monkeypatch.setattr(cancel, "_ROUNDS", 3)
    assert cancel.main(["77aa"]) == 0
    assert slurm.calls("scancel") == ["-Q 81 82", "-Q 81", "-Q 81"]


def test_a_job_that_another_run_waits_for_stays_with_all_it_rests_on(
    tmp_path: Path, slurm: FakeSlurm, capsys: pytest.CaptureFixture[str]
) -> None:
    run = FakeRun(tmp_path / "outputs", seeds=2)
    run.submit({"sft1": "81_0", "sft2": "81_1", "rl1": "82_0", "rl2": "82_1"})
    other = FakeRun(tmp_path / "outputs", "2026-01-02-sweep-0b0b", stages=("sft", "rl", "end"))
    other.submit({"rl1": "82_0"}, run=run.folder.name)
    slurm.says("\n".join(f"{job} PENDING - None" for job in ("81_0", "81_1", "82_0", "82_1")))
    text = said(capsys, "77aa")
    assert slurm.calls("scancel") == ["-Q 81_1 82_1"]
    assert "left: job 82_0 (rl-rl1), for 2026-01-02-sweep-0b0b" in text
    assert "left: job 81_0 (sft-sft1), for stages that another run waits for" in text
    assert "these too: etude cancel 77aa --all" in text
    said(capsys, "77aa", "--all")
    assert slurm.calls("scancel")[-1] == "-Q 81_[0-1] 82_[0-1]"


def test_jobs_of_another_run_are_that_runs_to_cancel(
    tmp_path: Path, slurm: FakeSlurm, capsys: pytest.CaptureFixture[str]
) -> None:
    other = FakeRun(tmp_path / "outputs", "2026-01-01-other-0b0b")
    other.submit({"sft1": "81"})
    run = FakeRun(tmp_path / "outputs")
    run.submit({"sft1": "81"}, run=other.folder.name)
    run.submit({"rl1": "82"})
    slurm.says("81 RUNNING n1 None\n82 PENDING - Dependency")
    text = said(capsys, "77aa")
    assert slurm.calls("scancel") == ["-Q 82"]
    assert "left: job 81 (sft-sft1), of run 2026-01-01-other-0b0b" in text


def test_the_process_of_a_local_run_is_asked_to_save_and_end(
    tmp_path: Path, slurm: FakeSlurm, capsys: pytest.CaptureFixture[str]
) -> None:
    place = tmp_path / "outputs" / "runs" / "2026-01-01-local-0c0c" / "result.json"
    program = "import json,sys,time; from etude.execute.owner import Owner;"
    program += "print(json.dumps(Owner.here().to_json()), flush=True); time.sleep(60)"
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        owner = json.loads(process.stdout.readline())
        dump(place, {"state": "running", "pid": process.pid, "process": owner, "runs": []})
        assert f"process {process.pid} on" in said(capsys, "0c0c")
        assert process.wait(10) == -signal.SIGTERM
    assert "is gone already" in said(capsys, "0c0c")
    # The same number may by now be another process: its start tells.
    dump(place, {"state": "running", "process": {**owner, "pid": os.getpid()}, "runs": []})
    assert "is gone already" in said(capsys, "0c0c")


def test_a_process_of_another_machine_is_named_and_a_run_that_is_over_left_alone(
    tmp_path: Path, slurm: FakeSlurm, capsys: pytest.CaptureFixture[str]
) -> None:
    place = tmp_path / "outputs" / "runs" / "2026-01-01-local-0c0c" / "result.json"
    far = {**Owner.here().to_json(), "host": "n9", "boot": "other"}
    dump(place, {"state": "running", "process": far, "runs": []})
    with pytest.raises(StorageError, match=r"process \d+ on n9, which cannot be reached from here"):
        cancel.main(["0c0c"])
    dump(place, {"state": "done", "process": far, "runs": []})
    assert "is done; there is nothing to cancel" in said(capsys, "0c0c")
