"""SLURM's commands as programs print them: what is read of them, and what a failure says."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from etude.build import build
from etude.errors import SlurmError
from etude.launch.resources import Shape, shape_of
from etude.launch.slurm import commands, script
from etude.launch.slurm.commands import Accounted, Queued


def act(folder: Path, name: str, body: str) -> None:
    path = folder / name
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(0o755)


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    return tmp_path


def test_the_queue_is_read_with_times_in_seconds(programs: Path) -> None:
    rows = [
        "812_3|RUNNING|1-02:03:04|UNLIMITED|2026-11-21T07:45:13|n[1-2]|None",
        "9|PENDING|0:00|59:58|N/A||Nodes required for job are DOWN | or so",
    ]
    act(programs, "squeue", f"cat <<'EOF'\n{chr(10).join(rows)}\nEOF")
    assert commands.queue() == {
        "812_3": Queued("RUNNING", "None", 93784, None, "n[1-2]", "2026-11-21T07:45:13"),
        "9": Queued("PENDING", "Nodes required for job are DOWN | or so", 0, 3598, "", "N/A"),
    }


def test_a_persons_own_settings_do_not_reach_the_commands(
    programs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SQUEUE_STATES", "PENDING")
    monkeypatch.setenv("SLURM_TIME_FORMAT", "relative")
    act(programs, "squeue", 'echo "$SQUEUE_STATES$SLURM_TIME_FORMAT|RUNNING|0:01|0:02|a|b|c"')
    assert list(commands.queue()) == ["standard"]


def test_the_accounting_is_asked_by_arrays_in_chunks(
    programs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [
        "812_1|CANCELLED by 1000|0:15|None assigned|0",
        "812_[4-5,9%2]|PENDING|0:0|None assigned|0",
        "813|OUT_OF_MEMORY|0:125|n4|61",
    ]
    act(
        programs,
        "sacct",
        f"echo $6 >> {programs}/asked; cat <<'EOF'\n{chr(10).join(rows)}\nEOF",
    )
    monkeypatch.setattr(commands, "CHUNK", 2)
    found = commands.accounting(["812_1", "812_5", "812_6", "813", "814"])
    assert found == {
        "812_1": Accounted("CANCELLED", "0:15", "", 0),
        "812_5": Accounted("PENDING"),
        "813": Accounted("OUT_OF_MEMORY", "0:125", "n4", 61),
    }
    assert (programs / "asked").read_text() == "812,813\n814\n"


def test_ids_are_put_together_and_taken_apart() -> None:
    ids = ["7", "812_0", "812_1", "812_2", "812_9", "813_4"]
    assert commands.collapsed(ids) == ["7", "812_[0-2,9]", "813_4"]
    assert [each for job in commands.collapsed(ids) for each in commands.expanded(job)] == ids


def test_a_job_is_shown_with_values_that_hold_spaces(programs: Path) -> None:
    line = "JobId=9 UserId=me(1) Reason=launch failed requeued held NtasksPerN:B:S:C=0:0:*:* Power="
    act(programs, "scontrol", f"echo '{line}'")
    assert commands.show("9") == {
        "JobId": "9",
        "UserId": "me(1)",
        "Reason": "launch failed requeued held",
        "NtasksPerN:B:S:C": "0:0:*:*",
        "Power": "",
    }


def test_a_failure_names_the_command_and_what_it_said(
    programs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as alone:
        alone.setenv("PATH", str(programs))
        with pytest.raises(SlurmError, match=r"there is no scancel on PATH"):
            commands.cancel(["9"])
    act(programs, "scontrol", "echo 'Requeue is disabled' >&2; exit 1")
    with pytest.raises(
        SlurmError,
        match=r"`scontrol requeue 9` failed \(exit code 1\); it said: Requeue is disabled",
    ):
        commands.requeue("9")
    act(programs, "squeue", "exec sleep 5")
    with pytest.raises(SlurmError, match=r"`squeue .*` did not answer within 0.1 seconds"):
        commands.ask("squeue", "-h", seconds=0.1)


def test_nodes_that_take_no_jobs_now_are_named(programs: Path) -> None:
    states = "n1|idle\\nn2|mixed*\\nn3|drained\\nn4|down*\\nn5|allocated\\nn6|idle~"
    act(programs, "sinfo", f"[ \"$*\" = '-h -N -o %N|%T -p gpu' ] && printf '{states}'")
    assert commands.away("gpu") == ["n3", "n4"]


def test_what_sbatch_says_is_told_once_and_without_its_name() -> None:
    said = "sbatch: error: QOSLimit\nsbatch: error: Batch job submission failed: No room\n"
    assert commands.plain(said) == "QOSLimit; No room"


@pytest.mark.parametrize(
    ("line", "ends"),
    [("source /no/such", True), ("[ -d /no/such ] && true", False), (". {failing}", False)],
)
def test_a_setup_line_that_fails_ends_the_job(tmp_path: Path, line: str, ends: bool) -> None:
    failing = tmp_path / "sourced"
    failing.write_text("false\ntrue\n")
    shape = Shape(setup=(line.format(failing=failing),))
    lines = script.setup_lines(shape, tmp_path, "true", tmp_path)
    (tmp_path / "batch").write_text("\n".join([*lines, "false", "echo trains"]))
    ran = subprocess.run(["bash", tmp_path / "batch"], capture_output=True, text=True)
    assert ran.stdout == ("" if ends else "trains\n")
    assert ran.returncode == ends and ("setup failed (exit code 1): source" in ran.stderr) == ends


def test_what_a_setup_line_takes_from_the_environment_is_read_by_the_job(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("A_TOKEN", "hf_2b7e151628aed2a6")
    written = ["export TOKEN=${oc.env:A_TOKEN}", "export OTHER=${oc.env:UNSET, none}-${HOME}"]
    launcher = build({"name": "slurm", "setup": written}, "launcher")
    for asked in ({}, {"setup": written}):  # of the launcher, and of a stage
        lines = script.setup_lines(shape_of(asked, launcher), tmp_path, "true", tmp_path)
        assert "hf_2b7e" not in "\n".join(lines)
        (tmp_path / "batch").write_text("\n".join([*lines, "echo $TOKEN $OTHER"]))
        ran = subprocess.run(["bash", tmp_path / "batch"], capture_output=True, text=True)
        assert ran.stdout == f"hf_2b7e151628aed2a6 none-{os.environ['HOME']}\n"
