"""What ``etude status`` says of a run on a cluster, from folders and from a SLURM that is acted."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest

from etude.launch import registry
from etude.launch.seeing import status
from etude.launch.seeing.seen import Seen
from fake_run import FakeRun, FakeSlurm, dump


@pytest.fixture
def slurm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeSlurm:
    monkeypatch.chdir(tmp_path)
    return FakeSlurm(tmp_path / "bin", monkeypatch)


def seen(run: FakeRun, key: str) -> Seen:
    (state,) = status.runs(run.outputs, run.folder.name)
    return next(each for each in state.seen if each.fingerprint == key)


def told(run: FakeRun, **more: bool) -> str:
    return "\n".join(status.lines(run.outputs, run.folder.name, **more))


def test_a_run_is_told_with_all_its_failures_and_what_to_type(
    tmp_path: Path, slurm: FakeSlurm
) -> None:
    run = FakeRun(tmp_path / "outputs", seeds=4)
    run.submit({f"sft{n}": f"81_{n}" for n in range(1, 5)})
    run.submit({f"rl{n}": f"82_{n}" for n in range(1, 5)})
    for seed in (1, 2, 3):
        run.done(f"sft{seed}")
    run.attempt("sft4", job="81_4", step=12, kept=10, error="RuntimeError: CUDA out of memory")
    run.ended("sft4", "failed", "CUDA out of memory", job="81_4")
    run.attempt("rl1", 2, job="82_1", step=30, error="ValueError: no such row")
    run.printed("rl1", "82_1", restart=1)
    run.attempt("rl2", job="82_2", step=100)
    slurm.says(
        "82_2 RUNNING n3 None\n82_3 PENDING - Priority",
        "81_4 FAILED 1:0\n82_1 FAILED 1:0\n82_4 CANCELLED 0:0",
    )
    text = told(run)
    assert "8 stages: 3 done, 1 running, 1 waiting, 1 blocked, 2 failed" in text
    assert (
        "sft-sft4  seed=4  FAILED  attempt 1, step 12/300, job 81_4 on n7: "
        "RuntimeError: CUDA out of memory" in text
    )
    assert "goes on from step 10: etude resume 77aa execution.micro_batch_tokens=2048" in text
    assert "FAILED  attempt 2, step 30/300, job 82_1 on n7: ValueError: no such row" in text
    assert "log outputs/runs/2026-01-01-sweep-77aa/logs/rl-rl1/82_1.1/rank0.log" in text
    assert "goes on from its beginning: etude resume 77aa\n" in text
    assert "attempt 1, step 100/300, loss -94, 0:06:40 left, job 82_2 on n3" in text
    assert "seed=3  WAITING jobs with a higher priority are before it (Priority)" in text
    assert "rl-rl4  seed=4  BLOCKED sft-sft4 failed" in text
    assert len(slurm.calls("squeue")) == len(slurm.calls("sacct")) == 1


GONE = [
    ("OUT_OF_MEMORY 0:125", "failed", "out of memory", "stages.sft.resources.memory_gib=16"),
    ("TIMEOUT 0:0", "failed", "time limit", "stages.sft.resources.time=120"),
    ("NODE_FAIL 1:0", "failed", "its machine failed", ""),
    ("FAILED 0:9", "failed", "SLURM says FAILED, signal 9", ""),
    ("COMPLETED 0:0", "failed", "its result is missing or damaged", ""),
    ("CANCELLED 0:0", "cancelled", "by scancel", ""),
]


@pytest.mark.parametrize(("account", "state", "cause", "hint"), GONE)
def test_a_job_that_said_nothing_is_told_by_the_accounting(
    tmp_path: Path, slurm: FakeSlurm, account: str, state: str, cause: str, hint: str
) -> None:
    run = FakeRun(tmp_path / "outputs")
    run.submit({"sft1": "81", "rl1": "82"})
    slurm.says("", f"81 {account}\n82 CANCELLED 0:0")
    found = seen(run, "sft1")
    assert (found.state, found.hint) == (state, hint)
    assert cause in found.cause
    lost = seen(run, "rl1")
    assert (lost.state, lost.cause) == (
        "blocked",
        f"sft-sft1 {'was ' * (state != 'failed')}{state}",
    )


def test_a_time_limit_with_a_checkpoint_asks_for_no_longer_one(
    tmp_path: Path, slurm: FakeSlurm
) -> None:
    run = FakeRun(tmp_path / "outputs", resources={"time": "30"})
    run.submit({"sft1": "81"})
    slurm.says("", "81 TIMEOUT 0:0")
    assert seen(run, "sft1").hint == "stages.sft.resources.time=60"
    run.attempt("sft1", job="81", step=30, kept=20)
    assert (seen(run, "sft1").hint, seen(run, "sft1").resumes_from) == ("", 20)


WAITING = [
    ("Dependency", "for sft"),
    ("Resources", "for machines to become free (Resources)"),
    ("QOSMaxJobsPerUserLimit", "a limit of its quality of service (QOSMaxJobsPerUserLimit)"),
    ("JobHeldUser", "it is held; scontrol release 82 (JobHeldUser)"),
    ("None", "SLURM has not looked at it yet"),
    ("NewReasonOfSlurm", "NewReasonOfSlurm"),
]


@pytest.mark.parametrize(("reason", "cause"), WAITING)
def test_what_a_waiting_job_waits_for(
    tmp_path: Path, slurm: FakeSlurm, reason: str, cause: str
) -> None:
    run = FakeRun(tmp_path / "outputs")
    run.submit({"sft1": "81", "rl1": "82"})
    slurm.says(f"81 RUNNING n1 None\n82 PENDING - {reason}")
    found = seen(run, "rl1")
    assert (found.state, found.cause) == ("waiting", cause)


def test_a_job_whose_stages_are_done_waits_for_the_end_of_their_jobs(
    tmp_path: Path, slurm: FakeSlurm
) -> None:
    run = FakeRun(tmp_path / "outputs")
    run.submit({"sft1": "81", "rl1": "82"})
    run.done("sft1")
    slurm.says("81 COMPLETING n1 None\n82 PENDING - Dependency")
    assert seen(run, "rl1").cause == "for the end of jobs whose stages are done"


def test_a_requeued_job_says_why_and_where_it_goes_on(tmp_path: Path, slurm: FakeSlurm) -> None:
    run = FakeRun(tmp_path / "outputs")
    run.submit({"sft1": "81"})
    run.attempt("sft1", job="81", step=280, kept=280)
    registry.write_requeue(run.folder, "sft1", registry.Requeue("81", 0, "preempted", 280))
    slurm.says("81 PENDING - BeginTime")
    found = seen(run, "sft1")
    assert found.state == "waiting"
    assert found.cause.startswith("requeued (preempted), goes on from step 280/300; ")
    slurm.says("81 RUNNING n2 None")
    run.printed("sft1", "81", restart=1)
    found = seen(run, "sft1")
    assert (found.state, found.cause, found.left) == ("running", "starts", None)


def test_a_dependency_that_can_never_be_met_is_blocked(tmp_path: Path, slurm: FakeSlurm) -> None:
    run = FakeRun(tmp_path / "outputs")
    run.submit({"sft1": "81", "rl1": "82"})
    run.ended("sft1", "failed", "no rows", job="81")
    slurm.says("82 PENDING - DependencyNeverSatisfied", "81 FAILED 1:0")
    found = seen(run, "rl1")
    assert found.state == "blocked" and found.cause.startswith("because sft-sft1 failed")


def test_a_gate_that_refuses_a_stage_is_quoted(tmp_path: Path, slurm: FakeSlurm) -> None:
    run = FakeRun(tmp_path / "outputs")
    run.submit({"sft1": "81", "rl1": "82"})
    run.done("sft1")
    run.ended("rl1", "blocked", "pass@1 0.31 < 0.5 after sft", job="82")
    slurm.says("", "82 FAILED 1:0")
    assert "rl-rl1  BLOCKED pass@1 0.31 < 0.5 after sft" in told(run)


def test_a_run_of_this_machine_says_why_stages_did_not_run(
    tmp_path: Path, slurm: FakeSlurm
) -> None:
    run = FakeRun(tmp_path / "outputs", stages=("sft", "rl", "end"), launcher="local")
    run.attempt("sft1", step=12, kept=10, error="ValueError: no such row")
    told_by = {"fingerprint": "rl1", "name": "rl", "waits_for": "sft did not finish"}
    result = {"state": "failed", "runs": [{"overrides": [], "stages": [told_by]}]}
    dump(run.folder / "result.json", result)
    text = told(run)
    assert "FAILED  attempt 1, step 12/300: ValueError: no such row" in text
    assert "rl-rl1  BLOCKED sft-sft1 failed" in text and "end-end1  BLOCKED rl-rl1 did not" in text
    assert "goes on from step 10: etude resume 77aa" in text
    # Nobody asks SLURM about a run that is none of its.
    assert slurm.calls("squeue") == []


def test_a_job_that_nobody_knows_has_vanished(tmp_path: Path, slurm: FakeSlurm) -> None:
    run = FakeRun(tmp_path / "outputs")
    run.submit({"sft1": "81", "rl1": "82_0"})
    run.done("sft1", size=5)
    assert seen(run, "sft1").cause == "SLURM has no record of job 81"
    assert "1 blocked, 1 vanished" in told(run)
    assert "goes on from its beginning: etude resume 77aa" in told(run)


def test_a_new_job_is_not_told_by_the_end_of_the_old_one(tmp_path: Path, slurm: FakeSlurm) -> None:
    run = FakeRun(tmp_path / "outputs")
    run.submit({"sft1": "81"})
    run.attempt("sft1", job="81", step=7, kept=6, error="a bug")
    run.ended("sft1", "failed", "a bug", job="81")
    slurm.says("", "81 FAILED 1:0")
    assert seen(run, "sft1").state == "failed"
    run.submit({"sft1": "90"})
    slurm.says("90 RUNNING n2 None")
    found = seen(run, "sft1")
    assert (found.state, found.cause, found.node) == ("running", "starts", "n2")
    slurm.says("", "90 CANCELLED 0:0")
    assert seen(run, "sft1").state == "cancelled"


def test_stages_without_a_job_wait_for_room_or_are_lost_with_their_parent(
    tmp_path: Path, slurm: FakeSlurm
) -> None:
    run = FakeRun(tmp_path / "outputs", seeds=2)
    run.submit({"sft1": "81_0", "sft2": "81_1"})
    slurm.says("81_0 RUNNING n1 None", "81_1 FAILED 1:0")
    assert seen(run, "rl1").state == "unsubmitted"
    assert (seen(run, "rl2").state, seen(run, "rl2").cause) == ("blocked", "sft-sft2 failed")


def test_a_stage_that_another_run_does_is_told_with_that_run(
    tmp_path: Path, slurm: FakeSlurm
) -> None:
    other = FakeRun(tmp_path / "outputs", "2026-01-01-other-0b0b")
    other.submit({"sft1": "81"})
    run = FakeRun(tmp_path / "outputs")
    run.submit({"sft1": "81"}, run=other.folder.name)
    log = other.printed("sft1", "81")
    slurm.says("81 RUNNING n1 None")
    found = seen(run, "sft1")
    assert (found.state, found.run, found.log) == ("running", other.folder.name, str(log))


def test_a_stage_whose_steps_have_stopped_coming_is_pointed_out(
    tmp_path: Path, slurm: FakeSlurm
) -> None:
    run = FakeRun(tmp_path / "outputs")
    run.submit({"sft1": "81"})
    run.attempt("sft1", job="81", step=30, at=time.time() - 3600)
    slurm.says("81 RUNNING n1 None")
    assert "no step for 1:00:0" in told(run)


def test_without_accounting_folders_tell_and_it_is_said_once(
    tmp_path: Path, slurm: FakeSlurm
) -> None:
    run = FakeRun(tmp_path / "outputs", seeds=2)
    run.submit({"sft1": "81", "sft2": "83"})
    run.attempt("sft1", job="81", step=12, error="ValueError: no such row")
    slurm.says("", None)
    text = told(run)
    assert "FAILED  attempt 1, step 12/300, job 81 on n7: ValueError: no such row" in text
    assert "sft-sft2  seed=2  VANISHED" in text
    assert text.count("note: ") == 1 and "slurm is away" in text


def test_where_slurm_does_not_answer_the_folders_tell(tmp_path: Path, slurm: FakeSlurm) -> None:
    run = FakeRun(tmp_path / "outputs", seeds=2)
    run.submit({"sft1": "81", "rl1": "82", "sft2": "83"})
    run.done("sft1")
    run.ended("sft2", "failed", "no rows", job="83")
    slurm.says(None, None)
    text = told(run)
    assert "1 done, 1 queued, 1 blocked, 1 failed" in text
    assert "rl-rl1  seed=1  QUEUED handed over as job 82; SLURM does not answer" in text
    assert "SLURM's queue cannot be seen from here" in text


def test_a_failed_evaluation_is_listed(tmp_path: Path, slurm: FakeSlurm) -> None:
    run = FakeRun(tmp_path / "outputs")
    run.submit({"sft1": "81"})
    run.done("sft1")
    folder = run.outputs / "evaluations" / "sft-esft1"
    folder.mkdir(parents=True)
    (folder / "FAILED.json").write_text('{"error": "the verifier is gone"}')
    assert "the evaluation of sft (esft1) failed: the verifier is gone" in told(run)


def test_the_rank_that_failed_first_is_named(tmp_path: Path, slurm: FakeSlurm) -> None:
    run = FakeRun(tmp_path / "outputs")
    run.submit({"sft1": "81"})
    place = run.attempt("sft1", job="81", step=12, error="lost connection to another rank")
    first = {"rank": 3, "error": "ValueError: token 9999", "at": 1.0, "step": 12}
    (place / "failed.rank3.json").write_text(json.dumps(first))
    log = run.printed("sft1", "81", rank=3)
    run.printed("sft1", "81", rank=0)
    slurm.says("", "81 FAILED 1:0")
    found = seen(run, "sft1")
    assert (found.cause, found.rank, found.log) == ("ValueError: token 9999", 3, str(log))


def test_a_large_run_is_told_in_groups_and_in_full_with_all(
    tmp_path: Path, slurm: FakeSlurm
) -> None:
    run = FakeRun(tmp_path / "outputs", seeds=30)
    run.submit({f"sft{n}": f"81_{n}" for n in range(1, 31)})
    for seed in range(1, 31):
        run.attempt(f"sft{seed}", job=f"81_{seed}", step=3, error="a bug")
    slurm.says("", "\n".join(f"81_{n} FAILED 1:0" for n in range(1, 31)))
    text = told(run)
    assert "60 stages: 30 blocked, 30 failed" in text
    assert text.count("etude resume 77aa") == 20
    assert "sft  10 FAILED: a bug  seed=21,22,23,24,25,26,… (10 values)" in text
    assert "each of them: etude status 77aa --all" in text
    assert told(run, everything=True).count("FAILED") == 30


def test_causes_that_name_one_job_of_many_are_one_group(tmp_path: Path, slurm: FakeSlurm) -> None:
    run = FakeRun(tmp_path / "outputs", seeds=30)
    run.submit({f"sft{n}": f"81_{n}" for n in range(1, 31)})
    slurm.says("\n".join(f"81_{n} PENDING - JobHeldUser" for n in range(1, 31)))
    text = told(run)
    assert " sft  30 WAITING it is held; scontrol release" in text
    assert len(text.splitlines()) < 10


def test_programs_read_the_same_as_json(
    tmp_path: Path, slurm: FakeSlurm, capsys: pytest.CaptureFixture[str]
) -> None:
    run = FakeRun(tmp_path / "outputs")
    run.submit({"sft1": "81"})
    slurm.says("81 RUNNING n1 None")
    assert status.main(["77aa", "--json"]) == 0
    (content,) = json.loads(capsys.readouterr().out)
    assert content["counts"] == {"running": 1, "unsubmitted": 1}
    assert content["stages"][0]["job"] == "81" and content["stages"][0]["overrides"] == []


def test_status_imports_nothing_heavy() -> None:
    code = (
        "import sys, etude.cli.etude, etude.launch.seeing.status, etude.launch.seeing.logs;"
        "import etude.launch.seeing.cancel, etude.launch.seeing.watch;"
        "print([m for m in ('torch', 'transformers', 'submitit', 'hydra') if m in sys.modules])"
    )
    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert printed.stdout.strip() == "[]", printed.stderr


def test_a_job_that_ended_before_python_says_why_and_where_it_is_written(
    tmp_path: Path, slurm: FakeSlurm
) -> None:
    run = FakeRun(tmp_path / "outputs", stages=("sft",), seeds=2)
    run.submit({"sft1": "81_0", "sft2": "81_1"})
    place = run.folder / "jobs" / "81_0_0_log.out"
    place.parent.mkdir()
    place.write_text("/x/slurm_script: line 1: apptainr: command not found\nsrun: error: n7: 2\n")
    slurm.says("", "81_0 FAILED 2:0")
    text = told(run)
    assert "exit code 2 before Python started: apptainr: command not found" in text
    assert "log outputs/runs/2026-01-01-sweep-77aa/jobs/81_0_0_log.out" in text
    slurm.says("", None)
    assert seen(run, "sft1").cause == "ended before Python started: apptainr: command not found"
    assert seen(run, "sft2").state == "vanished"


def test_what_nobody_will_submit_comes_with_the_command_that_does(
    tmp_path: Path, slurm: FakeSlurm
) -> None:
    run = FakeRun(tmp_path / "outputs")
    run.done("sft1")
    assert told(run).endswith("UNSUBMITTED for room in the queue\n goes on with: etude resume 77aa")


def test_a_run_that_is_over_shows_what_it_measured(tmp_path: Path, slurm: FakeSlurm) -> None:
    run = FakeRun(tmp_path / "outputs", seeds=2, launcher="local")
    for key in ("sft1", "rl1", "sft2", "rl2"):
        run.done(key)
    for key, value in (("esft1", 0.25), ("erl1", 0.5), ("erl2", 0.75)):
        place = run.outputs / "evaluations" / run.graph.evaluations[key].folder_name
        metrics = {"pass@1": {"value": value, "low": 0.2, "high": 0.8}}
        dump(place / "result.json", {"metrics": metrics})
        size = (place / "result.json").stat().st_size
        dump(place / "DONE.json", {"files": {"result.json": {"size": size}}})
    text = told(run)
    assert "\n seed=1\n" in text and "\n seed=2\n" in text
    assert "0.50 [0.20, 0.80]" in text and "0.75 [0.20, 0.80]" in text
    dump(run.folder / "result.json", {"state": "running", "process": {"host": "x", "pid": 3}})
    (run.outputs / "stages" / "rl-rl2" / "DONE.json").unlink()
    assert "0.50 [0.20, 0.80]" not in told(run)  # rl waits: the end will say


def test_what_cannot_be_read_is_said_beside_the_other_runs(
    tmp_path: Path, slurm: FakeSlurm
) -> None:
    whole = FakeRun(tmp_path / "outputs", "2026-01-01-whole-aaaa", launcher="local")
    broken = FakeRun(tmp_path / "outputs", "2026-01-02-broken-bbbb", launcher="local")
    (broken.folder / "plan" / "graph.json").write_text("{")
    (broken.folder.parent / "2026-01-03-empty-cccc").mkdir()
    text = "\n".join(status.lines(whole.outputs))
    assert "2026-01-01-whole-aaaa   2 stages" in text
    assert "plan/graph.json cannot be read: it is no JSON" in text
    assert "2026-01-03-empty-cccc   0 stages\n note: no plan and no result lie there" in text
