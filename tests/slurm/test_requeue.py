"""A stage whose job is taken from it goes on where it stopped, to the bit."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from cluster import Cluster
from tiny import SFT, Typed, paced, same

pytestmark = pytest.mark.slow
NewCluster = Callable[..., Cluster]

ONE = {"nodes": 1, "cpus": 1, "gpus": 0, "accounting": False}
"""A cluster on which one job runs at a time, and nothing remembers those that left the queue."""


def test_a_stage_that_needs_three_time_limits_finishes_under_one_job(
    cluster: Cluster, tmp_path: Path, whole: Path
) -> None:
    here = Typed(cluster, tmp_path)
    here.submit(*SFT, *paced(0.2), "launcher.time=20")
    job = here.jobs()["sft"]
    for attempt in (1, 2):
        here.wait_steps(3, attempt)
        # What SLURM itself sends some time before the limit.
        cluster.run(["scancel", "--signal=USR2", job])
        here.wait_requeued(attempt)
    cluster.wait_state(job, "PENDING")
    assert "WAITING requeued (time limit), goes on from step" in here.status()
    assert here.wait_over() == {job: "COMPLETED"}
    assert same(here.outputs, whole) == 1
    assert here.attempts() == [1, 2, 3] and cluster.field(job, "Restarts") == "2"
    first, second = here.requeued()
    assert (first.why, first.restart, second.restart) == ("time limit", 0, 1)
    assert 3 <= first.step < second.step < 40
    owners = [owner(here, attempt) for attempt in (1, 2, 3)]
    assert [each["restart"] for each in owners] == [0, 1, 2]
    assert {each["job"] for each in owners} == {job}
    [seen] = here.seen()
    assert (seen["state"], seen["attempt"], seen["job"]) == ("done", 3, job)
    assert len(list(here.runs[0].glob("logs/sft-*/*/rank0.log"))) == 3


def owner(here: Typed, attempt: int) -> dict[str, object]:
    """Who made an attempt."""
    path = here.stage() / "attempts" / str(attempt) / "attempt.json"
    return dict(json.loads(path.read_text())["owner"])


def test_a_preempted_stage_saves_makes_way_and_goes_on(
    new_cluster: NewCluster, tmp_path: Path, whole: Path
) -> None:
    cluster = new_cluster(**ONE, grace=20)
    here = Typed(cluster, tmp_path)
    here.submit(*SFT, *paced(0.2), "launcher.partition=preemptible", "launcher.time=60")
    job = here.jobs()["sft"]
    here.wait_steps(3)
    upper = cluster.submit("sleep 1")
    cluster.wait_state(upper, "COMPLETED", 30)
    assert here.wait_over() == {job: "COMPLETED"}
    assert same(here.outputs, whole) == 1
    [requeue] = here.requeued()
    assert requeue.why == "preempted" and requeue.step >= 3
    assert here.attempts() == [1, 2] and here.seen()[0]["state"] == "done"


@pytest.mark.long
def test_a_stage_preempted_without_a_warning_goes_on_from_what_is_on_disk(
    new_cluster: NewCluster, tmp_path: Path, whole: Path
) -> None:
    cluster = new_cluster(**ONE, grace=0, user_signal=False)
    here = Typed(cluster, tmp_path)
    wanted = ["execution.checkpoint_every=5", "launcher.partition=preemptible"]
    here.submit(*SFT, *paced(0.2), *wanted)
    here.wait_steps(7)
    upper = cluster.submit("sleep 1")
    cluster.wait_state(upper, "COMPLETED", 30)
    assert set(here.wait_over().values()) == {"COMPLETED"}
    assert same(here.outputs, whole) == 1
    assert here.attempts() == [1, 2] and here.seen()[0]["state"] == "done"
    second = json.loads((here.stage() / "attempts" / "2" / "attempt.json").read_text())
    assert second["owner"]["restart"] == 1 and second["first_step"] >= 5


def test_where_nothing_is_requeued_or_accounted_for_a_person_goes_on(
    new_cluster: NewCluster, tmp_path: Path, whole: Path
) -> None:
    cluster = new_cluster(**ONE, job_requeue=False)
    assert "disabled" in cluster.run(["sacct"], check=False).stderr
    here = Typed(cluster, tmp_path)
    here.submit(*SFT, *paced(0.2), "launcher.requeue=false")
    job = here.jobs()["sft"]
    here.wait_steps(3)
    cluster.run(["scancel", "--signal=USR2", job])
    assert here.wait_over() == {job: "FAILED"}
    said = here.status()
    assert "STOPPED" in said and "launcher.requeue=false leaves it at step" in said
    assert f"etude resume {here.runs[0].name.rpartition('-')[2]}" in said
    [seen] = here.seen()
    kept = seen["resumes_from"]
    assert 3 <= kept < 40 and list(here.stage().glob(f"attempts/1/checkpoints/step_{kept}"))
    here.resume()
    here.wait_over()
    assert same(here.outputs, whole) == 1 and here.seen()[0]["state"] == "done"


@pytest.mark.long
def test_a_rank_that_hangs_is_ended_and_its_stage_goes_on(
    cluster: Cluster, tmp_path: Path, whole: Path
) -> None:
    here = Typed(cluster, tmp_path)
    wanted = ["execution.checkpoint_every=2", "execution.hang_minutes=0.5"]
    here.submit(*SFT, *paced(0.0, hang_after=3), *wanted)
    job = here.jobs()["sft"]
    assert here.wait_over() == {job: "COMPLETED"}
    assert same(here.outputs, whole) == 1 and here.attempts() == [1, 2]
    failed = json.loads((here.stage() / "attempts" / "1" / "FAILED.json").read_text())
    assert failed["kind"] == "Hung" and failed["resumes_from"] == 2
    assert "step_done" in (here.stage() / "attempts" / "1" / "log").read_text()
    [requeue] = here.requeued()
    assert requeue.step == 2 and "hang_minutes" in requeue.why
