"""What kills a job ends in a state a person understands, and the run can be taken up again."""

from __future__ import annotations

import json
import math
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from cluster import Cluster
from tiny import BOTH, SFT, Typed, paced, published, same

from etude.distributed import world
from etude.errors import MeetingError
from etude.execute.owner import Owner
from etude.execute.stop import Stop
from etude.launch import registry, written
from etude.launch.job import Ended
from etude.launch.slurm import commands, ended, entry, requeue

pytestmark = pytest.mark.slow


def test_a_killed_rank_is_taken_up_again_so_many_times_and_no_more(
    cluster: Cluster, tmp_path: Path, whole: Path
) -> None:
    here = Typed(cluster, tmp_path)
    settings = ["execution.checkpoint_every=2", "launcher.retries=1"]
    here.submit(*SFT, *paced(0.2), *settings)
    job = here.jobs()["sft"]
    for attempt in (1, 2):
        here.wait_steps(3, attempt)
        os.kill(here.rank(job), signal.SIGKILL)
    assert here.wait_over() == {job: "FAILED"}
    [requeue] = here.requeued()
    assert requeue.step >= 2 and "SIGKILL" in requeue.why
    said = here.status()
    assert "FAILED" in said and "SIGKILL" in said and "taken up 1 time" in said
    assert here.attempts() == [1, 2]
    here.resume()
    assert here.wait_over() == {here.jobs()["sft"]: "COMPLETED"}
    assert same(here.outputs, whole) == 1 and here.attempts() == [1, 2, 3]


def test_chances_are_those_of_a_job_and_a_person_who_submits_again_gives_new_ones(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    monkeypatch.setattr(commands, "requeue", asked.append)
    launcher = {"launcher": {"name": "slurm", "retries": 2}}
    monkeypatch.setattr(written, "read_plain", lambda folder: launcher)

    def put_back(job: str, restart: int) -> Ended | None:
        owner = Owner("n1", 1, job=job, restart=restart)
        return requeue.put_back(tmp_path, "f00d", owner, "killed", restart, Ended("killed"))

    assert put_back("7", 0) is None and put_back("7", 1) is None
    refused = put_back("7", 2)
    assert refused is not None and refused.why == "killed; taken up 2 times after such faults"
    assert put_back("8", 0) is None and asked == ["7", "7", "8"]


def test_what_an_earlier_start_of_a_job_ends_with_does_not_touch_the_later_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    about = {"JobState": "RUNNING", "Restarts": "1"}
    monkeypatch.setattr(commands, "show", lambda job: about)
    monkeypatch.setattr(commands, "requeue", lambda job: pytest.fail("it was put back again"))
    monkeypatch.setenv("SLURM_JOB_ID", "7")
    unit = registry.Submitted("f00d", "7", tmp_path.name)
    registry.record(tmp_path, tmp_path, [unit], by_stage=False)
    assert ended.main([str(tmp_path), "143"]) == 0
    cut = Ended("interrupted", "interrupted (SIGTERM)", "SIGTERM")
    assert requeue.after_a_signal(tmp_path, "f00d", Owner.here(), cut) is None
    assert not registry.requeues(tmp_path, "f00d") and registry.ended(tmp_path, "f00d") is None


def test_ranks_that_cannot_meet_are_a_fault_of_the_machines(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    @contextmanager
    def apart() -> Iterator[None]:
        raise MeetingError("rank 1 of 2 could not meet the others at n1:29500")
        yield

    monkeypatch.setattr(world, "joined", apart)
    monkeypatch.setenv("SLURM_JOB_ID", "7")
    code = entry._work(tmp_path, "f00d", Owner.here(), Stop())
    # srun kills the others, whose code is higher.
    place = tmp_path / "jobs"
    place.mkdir()
    (place / "7_0_log.out").write_text(
        f"log: {tmp_path}/logs/sft/7.0/rank1.log\n"
        f"srun: error: n2: task 1: Exited with exit code {code}\n"
        "srun: error: n1: task 0: Killed\n"
    )
    monkeypatch.setattr(commands, "show", lambda job: {"JobState": "RUNNING", "Restarts": "0"})
    node = {"name": "sft"}
    plain = {"outputs": str(tmp_path), "stages": {"f00d": node}, "evaluations": {}}
    monkeypatch.setattr(written, "read_plain", lambda folder: plain)
    state, step, why = ended._cause(tmp_path, "f00d", Owner.here(), 137)
    assert (state, step) == ("killed", 0) and "could not meet" in why


def test_without_retries_a_killed_rank_fails_at_once_and_what_rests_on_it_is_cancelled(
    cluster: Cluster, tmp_path: Path
) -> None:
    here = Typed(cluster, tmp_path)
    here.submit(*BOTH, *paced(2.0), "launcher.retries=0")
    jobs = here.jobs()
    here.wait_steps(1)
    os.kill(here.rank(jobs["sft"]), signal.SIGKILL)
    assert here.wait_over() == {jobs["sft"]: "FAILED", jobs["rl"]: "CANCELLED"}
    first, second = here.seen()
    assert (first["state"], second["state"]) == ("failed", "blocked")
    assert "SIGKILL" in first["cause"] and first["job"] == jobs["sft"] and first["log"]
    assert second["cause"] == f"{first['name']}-{first['fingerprint'][:4]} failed"
    assert here.requeued_units() == 0


def test_cancelled_jobs_are_told_and_the_run_goes_on(
    cluster: Cluster, tmp_path: Path, whole: Path
) -> None:
    here = Typed(cluster, tmp_path)
    here.submit("-m", *SFT, "seed=1,2", *paced(0.2), "launcher.in_flight=1")
    running, pending = here.jobs().values()
    here.wait_steps(3)
    cluster.cancel(pending)
    cluster.cancel(running)
    states = here.wait_over()
    assert states == {running: "CANCELLED", pending: "CANCELLED"}
    assert [each["state"] for each in here.seen()] == ["cancelled", "cancelled"]
    said = here.status()
    assert said.count("CANCELLED") == 2 and "goes on with: etude resume" in said
    here.resume("launcher.in_flight=2")
    assert list(here.wait_over().values()) == ["COMPLETED", "COMPLETED"]
    assert {each["state"] for each in here.seen()} == {"done"}
    [stage] = (whole / "stages").glob("sft-*")
    assert published(here.outputs / "stages" / stage.name) == published(stage)
    assert sorted(len(list(path.glob("attempts/*"))) for path in here.outputs.glob("stages/*")) == [
        1,
        2,
    ]


def test_a_job_that_can_write_nothing_any_more_is_told_by_its_exit_code(
    cluster: Cluster, tmp_path: Path
) -> None:
    here = Typed(cluster, tmp_path)
    # No file may grow, and the shell does not die of it.
    here.submit(*SFT, """launcher.setup=["trap '' XFSZ","ulimit -f 0"]""")
    job = here.jobs()["sft"]
    assert here.wait_over() == {job: "FAILED"}
    [seen] = here.seen()
    assert seen["state"] == "failed" and seen["cause"] == registry.UNWRITTEN
    assert here.requeued_units() == 0


@pytest.mark.long
def test_failures_in_a_graph_stop_what_rests_on_them_and_only_that(
    cluster: Cluster, tmp_path: Path
) -> None:
    here = Typed(cluster, tmp_path)
    # A few of one member's rows are too long with their endings; the other's second stage counts as
    # hung before it begins.
    here.submit(
        "-m",
        *BOTH,
        "stages.sft.training.max_length=512,36",
        "stages.rl.execution.hang_minutes=1e-4",
        "launcher.retries=0",
    )
    here.wait_over()
    seen = {(each["name"], each["state"]): each for each in here.seen()}
    assert seen.keys() == {("sft", "done"), ("sft", "failed"), ("rl", "failed"), ("rl", "blocked")}
    assert "max_length" in seen["sft", "failed"]["cause"]
    assert "hang_minutes" in seen["rl", "failed"]["cause"]
    assert "failed" in seen["rl", "blocked"]["cause"]
    said = here.status()
    assert seen["sft", "failed"]["cause"].splitlines()[0][:40] in said
    assert said.count("FAILED") == 2 and here.requeued_units() == 0
    here.resume("stages.rl.execution.hang_minutes=60")
    here.wait_over()
    states = sorted((each["name"], each["state"], each["attempt"]) for each in here.seen())
    assert states == [
        ("rl", "blocked", 0),
        ("rl", "done", 2),
        ("sft", "done", 1),
        ("sft", "failed", 2),
    ]


def test_four_ranks_on_two_nodes_equal_one_process(
    cluster: Cluster, tmp_path: Path, whole: Path
) -> None:
    here = Typed(cluster, tmp_path)
    here.submit(*SFT, "launcher.nodes=2", "launcher.tasks_per_node=2")
    assert set(here.wait_over().values()) == {"COMPLETED"}
    [one] = (whole / "stages").glob("sft-*")
    assert losses(here.stage()) == pytest.approx(losses(one), rel=1e-4)
    assert len(list(here.runs[0].glob("logs/sft-*/*/rank*.log"))) == 4


def losses(stage: Path) -> list[float]:
    """The loss of each step."""
    lines = (stage / "metrics.jsonl").read_text().splitlines()
    found = [json.loads(line)["loss"] for line in lines]
    assert len(found) == 40 and all(map(math.isfinite, found))
    return found


@pytest.mark.long
def test_a_dead_rank_ends_the_job_of_all_ranks(cluster: Cluster, tmp_path: Path) -> None:
    here = Typed(cluster, tmp_path)
    ranks = ["launcher.nodes=2", "launcher.tasks_per_node=1", "launcher.retries=0"]
    here.submit(*SFT, *paced(0.2), *ranks)
    job = here.jobs()["sft"]
    here.wait_steps(3)
    os.kill(here.rank(job, 1), signal.SIGKILL)
    assert here.wait_over(40) == {job: "FAILED"}
    [seen] = here.seen()
    assert seen["state"] == "failed" and seen["cause"].startswith("rank 1 on etude-n")
    assert seen["cause"].endswith("was ended: Killed; launcher.retries=0")
