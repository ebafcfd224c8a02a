"""What one pass hands to SLURM: what a run still needs, no less after a cancel or without room."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from etude.errors import SlurmError
from etude.execute.owner import Owner
from etude.launch import registry
from etude.launch.seeing import one_run
from etude.launch.slurm import commands, rest, submit
from etude.launch.slurm.commands import Queued
from fake_run import FakeRun


class Cluster:
    """A queue that takes ``room`` jobs; ``submit`` returns the units it took in one pass."""

    def __init__(self, run: FakeRun, patch: pytest.MonkeyPatch) -> None:
        self.run = run
        self.jobs: dict[str, Queued] = {}
        self.room = 99
        self.said: list[str] = []
        self._count = 100
        patch.setattr(commands, "queue", lambda user=None: dict(self.jobs))
        patch.setattr(submit, "largest_array", lambda: 1000)
        patch.setattr(submit.code, "snapshot", lambda *words: Path("copy"))
        patch.setattr(submit._Pass, "_hand_over", lambda made, batch, ids: self._take(batch))
        patch.setattr(submit, "_PAUSE", 0.0)

    def _take(self, batch: Any) -> list[str]:
        if len(self.jobs) + len(batch.units) > self.room:
            raise SlurmError("SLURM refused: Job violates accounting/QOS policy")
        self._count += 1
        taken = [f"{self._count}_{task}" for task in range(len(batch.units))]
        self.jobs |= {job: Queued("PENDING") for job in taken}
        return taken

    def submit(self, again: bool) -> list[str]:
        done = submit.submit(self.run.folder, again=again, say=self.said.append)
        return sorted(unit.fingerprint for batch, _ in done.batches for unit in batch.units)

    def end(self, *units: str) -> None:
        known = registry.jobs_of(self.run.folder)
        for unit in units:
            del self.jobs[known[unit].job]


@pytest.fixture
def cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Cluster:
    monkeypatch.delenv("SLURM_JOB_ID", raising=False)
    return Cluster(FakeRun(tmp_path / "outputs", seeds=2), monkeypatch)


def without_evaluations(run: FakeRun) -> FakeRun:
    from etude.launch import written

    run.graph.order[:] = run.graph.stages.values()
    run.graph.evaluations.clear()
    written.write(run.graph, {"name": "slurm"})
    return run


def test_what_a_resumed_run_had_no_room_for_is_submitted_by_its_jobs(cluster: Cluster) -> None:
    run = without_evaluations(cluster.run)
    keys = ["rl1", "rl2", "sft1", "sft2"]
    assert cluster.submit(again=True) == keys
    cluster.end(*keys)
    for key in keys:
        run.ended(key, "cancelled", "by etude cancel", job=registry.jobs_of(run.folder)[key].job)
    cluster.room = 2
    assert cluster.submit(again=True) == ["sft1", "sft2"]
    assert [registry.ended(run.folder, key) for key in keys] == [None] * 4
    states = {each.head: each.state for each in one_run.run_state(run.folder).seen}
    assert (states["rl-rl1"], states["rl-rl2"]) == ("unsubmitted", "unsubmitted")
    cluster.end("sft1", "sft2")
    run.done("sft1")
    run.ended("sft2", "failed", "a bug", job=registry.jobs_of(run.folder)["sft2"].job)
    # The other one rests on what failed; a person who resumes takes both up again.
    assert cluster.submit(again=False) == ["rl1"]
    cluster.end("rl1")
    run.done("rl1")
    assert cluster.submit(again=True) == ["rl2", "sft2"]


def test_a_job_that_is_ending_is_waited_for_and_a_cancelled_one_is_not(cluster: Cluster) -> None:
    run = without_evaluations(cluster.run)
    cluster.submit(again=True)
    first = registry.jobs_of(run.folder)
    for key in ("sft1", "sft2"):
        cluster.jobs[first[key].job] = Queued("COMPLETING")
    run.ended("sft2", "cancelled", "by etude cancel", job=first["sft2"].job)

    def leave(seen: str) -> None:
        del cluster.jobs[first["sft1"].job]
        cluster.said.append(seen)

    done = submit.submit(run.folder, again=True, say=leave)
    names: Sequence[str] = [u.fingerprint for batch, _ in done.batches for u in batch.units]
    assert sorted(names) == ["sft1", "sft2"]
    assert cluster.said == [f"job {first['sft1'].job} is ending; waiting for that"]


def test_a_job_alone_in_the_queue_does_not_stay_for_room_that_it_takes_up_itself(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run = without_evaluations(cluster.run)
    cluster.room = 1
    assert cluster.submit(again=True) == ["sft1"]
    run.done("sft1")
    job = registry.jobs_of(run.folder)["sft1"].job
    naps: list[float] = []
    monkeypatch.setattr(rest.time, "sleep", naps.append)
    monkeypatch.setattr(rest, "_STAYS", 0.5)
    owner = replace(Owner.here(), job=job)
    rest.submit_the_rest(run.folder, run.outputs, owner)
    assert not naps and "go on with: etude resume 77aa" in capsys.readouterr().out
    cluster.jobs["7"] = Queued("RUNNING")  # of another run: it may leave
    rest.submit_the_rest(run.folder, run.outputs, owner)
    assert naps
