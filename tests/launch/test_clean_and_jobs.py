"""`etude clean` beside runs in the queue: what they need stays, and the code of their jobs."""

from __future__ import annotations

import os
import shutil
import time
from dataclasses import replace
from pathlib import Path

import pytest

from etude.errors import StorageError
from etude.execute.owner import Owner
from etude.launch import clean, written
from etude.plan.layout import LAYOUT
from etude.plan.references import Folder
from fake_run import FakeRun, FakeSlurm, dump

GONE = replace(Owner.here(), pid=4_000_000)


@pytest.fixture
def slurm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeSlurm:
    return FakeSlurm(tmp_path / "bin", monkeypatch)


@pytest.fixture
def run(tmp_path: Path) -> FakeRun:
    """A run of sft and rl under which both have begun; nothing in its folder links to them."""
    made = FakeRun(tmp_path / "outputs")
    made.attempt("sft1", kept=7)
    made.attempt("rl1", kept=7)
    return made


def listed(run: FakeRun, *runs: str, unfinished: bool = False) -> set[str]:
    items = clean.find(run.outputs, runs=runs, unfinished=unfinished)
    return {str(item.path.relative_to(run.outputs)) for item in items}


def test_stages_of_a_run_in_the_queue_are_kept_though_nothing_links_to_them(
    run: FakeRun, slurm: FakeSlurm
) -> None:
    run.submit({"sft1": "812"})
    slurm.says("812 PENDING - Priority")
    assert not listed(run, unfinished=True)
    # The stage that waits for room in the queue goes on from its checkpoint too.
    slurm.says("")
    assert not listed(run)
    assert listed(run, unfinished=True) == {"stages/sft-sft1", "stages/rl-rl1"}
    assert len(listed(run, "77aa")) == 3


def test_a_run_with_jobs_in_the_queue_is_refused_by_name(run: FakeRun, slurm: FakeSlurm) -> None:
    run.submit({"sft1": "812_0", "rl1": "812_1"})
    slurm.says("812_0 COMPLETING n7 None\n812_1 PENDING - Dependency")
    with pytest.raises(StorageError) as caught:
        clean.find(run.outputs, runs=["77aa"])
    text = str(caught.value)
    assert f"{run.folder.name} has 2 jobs in the queue (812_[0-1])" in text
    assert f"etude cancel 77aa --outputs {run.outputs}" in text and "nothing was deleted" in text


def test_where_slurm_does_not_answer_only_what_has_ended_counts_as_over(
    run: FakeRun, slurm: FakeSlurm
) -> None:
    run.submit({"sft1": "812", "rl1": "813"})
    run.ended("sft1", "done", job="812")
    run.ended("rl1", "requeued", job="813")
    slurm.says(queue=None)
    said: list[str] = []
    assert not clean.find(run.outputs, unfinished=True, say=said.append)
    assert "slurm is away" in said[0] and "what jobs may need is kept" in said[0]
    with pytest.raises(StorageError, match=r"may have a job in the queue \(813\).*squeue"):
        clean.find(run.outputs, runs=["77aa"])
    run.ended("rl1", "cancelled", job="813")
    assert "stages/rl-rl1" in listed(run, "77aa")


def test_a_run_of_this_machine_is_refused_while_its_process_lives(run: FakeRun) -> None:
    for owner, at_work in ((Owner.here(), True), (GONE, False)):
        dump(run.folder / "result.json", {"state": "running", "process": owner.to_json()})
        assert ("stages/rl-rl1" in listed(run, unfinished=True)) is not at_work
        if at_work:
            with pytest.raises(StorageError, match=r"is at work: process \d+ .*etude cancel"):
                clean.find(run.outputs, runs=["77aa"])
    assert f"runs/{run.folder.name}" in listed(run, "77aa")


def test_what_a_kept_run_starts_or_goes_on_from_is_kept(run: FakeRun, slurm: FakeSlurm) -> None:
    for name in ("old", "short"):
        place = run.outputs / "stages" / f"{name}-{name}9"
        about = {"layout": LAYOUT, "lineage": "sft1", "fingerprint": f"{name}9"}
        dump(place / "stage.json", about)
    assert listed(run) == {"stages/old-old9", "stages/short-short9"}
    graph = run.graph
    old = run.outputs / "stages" / "old-old9"
    graph.stages["sft1"] = replace(
        graph.stages["sft1"], extendable=True, inputs={"start": Folder(old / "model")}
    )
    written.write(graph, {"name": "slurm"})
    assert listed(run) == {"stages/short-short9"}
    # Only as long as a longer stage of its lineage is still to be trained.
    run.submit({"sft1": "812"})
    slurm.says("812 RUNNING n7 None")
    assert not listed(run)


def test_copies_of_the_code_go_with_the_last_run_that_was_given_them(
    run: FakeRun, slurm: FakeSlurm
) -> None:
    run.submit({"sft1": "812"})
    slurm.says("812 RUNNING n7 None")
    other = run.outputs / "runs" / "2026-01-02-rl-88bb"
    copies = [run.outputs / ".code" / name for name in ("a1", "b2", "c3", ".d4.17.tmp")]
    for copy, folders in zip(copies, ([run.folder, other], [other], [], []), strict=True):
        dump(copy / "etude" / "schema.json", {})
        os.utime(copy, (0, time.time() - 7200))
        for folder in folders:
            (folder / "code").mkdir(parents=True, exist_ok=True)
            (folder / "code" / copy.name).symlink_to(os.path.relpath(copy, folder / "code"))
    assert listed(run) == {".code/c3", ".code/.d4.17.tmp"}
    os.utime(copies[2])  # a submission has just found it
    assert listed(run, "88bb") == {f"runs/{other.name}", ".code/b2", ".code/.d4.17.tmp"}
    shutil.rmtree(copies[3])
    found = clean.find(run.outputs, runs=["88bb"])
    os.utime(copies[1])
    assert [item.path.name for item in clean.delete(found)] == ["b2"]
    assert sorted(path.name for path in (run.outputs / ".code").iterdir()) == ["a1", "b2", "c3"]
    assert not other.exists()
