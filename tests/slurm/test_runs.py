"""What `train launcher=slurm` hands to SLURM, what it does not, and what comes out of it."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from cluster import Cluster
from tiny import BOTH, SFT, Typed, same, train_here

from etude.launch import registry

pytestmark = pytest.mark.slow
NewCluster = Callable[..., Cluster]


def test_a_sweep_trains_each_common_stage_once_and_as_a_local_run_would(
    cluster: Cluster, tmp_path: Path
) -> None:
    here = Typed(cluster, tmp_path)
    sweep = ["-m", *BOTH, "objective=grpo,rloo", "seed=1,2"]
    said = here.submit(*sweep)
    jobs = list(registry.jobs_of(here.runs[0]).values())
    edges = waits_for(cluster, [each.job for each in jobs])
    local = train_here(tmp_path / "local", *sweep)  # meanwhile
    # An array of two supervised stages; for each of them one of two of policy gradient.
    arrays = Counter(job.partition("_")[0] for job in edges)
    first, second, third = sorted(arrays, key=int)
    assert [arrays[first], arrays[second], arrays[third]] == [2, 2, 2] and len(jobs) == 6
    for job, edge in edges.items():
        waits = {second: f"afterok:{first}_0", third: f"afterok:{first}_1"}
        assert edge == waits.get(job.partition("_")[0], ""), said
    assert f"after {first}_0" in said and f"after {first}_1" in said
    assert set(here.wait_over().values()) == {"COMPLETED"}
    assert same(here.outputs, local) == 6
    assert {each["state"] for each in here.seen()} == {"done"}
    assert {each["attempt"] for each in here.seen()} == {1}
    assert "every stage is done; nothing to submit" in here.submit(*sweep)
    assert len(here.runs) == 1


def waits_for(cluster: Cluster, jobs: list[str]) -> dict[str, str]:
    """What each job waits for, in SLURM's words without how far that is."""
    command = ["squeue", "-h", "-r", "-t", "all", "-j", ",".join(jobs), "-o", "%i|%E"]
    lines = cluster.run(command).stdout.splitlines()
    found = dict(line.split("|") for line in lines)
    return {job: edge.partition("(")[0].replace("null", "") for job, edge in found.items()}


def test_what_runs_is_what_was_submitted_and_a_second_run_relies_on_it(
    cluster: Cluster, tmp_path: Path
) -> None:
    here = Typed(cluster, tmp_path)
    mine = tmp_path / "conf" / "training" / "mine.yaml"
    mine.parent.mkdir(parents=True)
    text = "defaults: [standard, _self_]\nsteps: 3\nrows_per_step: 4\n"
    mine.write_text(text)
    words = ["training=mine", *(w for w in SFT if not w.startswith("training."))]
    said = here.submit(*words, "tracker=paced", "launcher.sbatch={hold: true}")
    (tmp_path / "etude_paced.py").write_text("raise ImportError('the folder it was typed in')")
    [job] = here.jobs().values()
    assert f"job {job}" in said and "held" in here.status()
    said = here.submit(*words)
    assert f"1 stage in the queue already: job {job}" in said
    assert here.jobs() == {"sft": job}
    mine.write_text(text.replace("3", "5"))
    cluster.run(["scontrol", "release", job])
    assert here.wait_over() == {job: "COMPLETED"}
    assert len((here.stage() / "metrics.jsonl").read_text().splitlines()) == 3
    for run in (0, 1):
        [seen] = here.seen(run)
        assert (seen["state"], seen["steps"], seen["attempt"]) == ("done", 3, 1)
    # The job's code, and the plug-in's, is the copy that was made when it was submitted.
    [log] = here.outputs.glob("runs/*/logs/*/*/rank0.log")
    [copy] = here.outputs.glob(".code/[!.]*")
    used = f"etude is {copy}/etude/__init__.py, this is {copy}/etude_paced/paced.py"
    assert used in log.read_text()
    mine.write_text(text)
    assert "every stage is done; nothing to submit" in here.submit(*words)


def test_what_slurm_refuses_leaves_nothing_behind(cluster: Cluster, tmp_path: Path) -> None:
    here = Typed(cluster, tmp_path)
    said = here.submit(*SFT, "launcher.partition=nowhere", code=1)
    assert "invalid partition" in said and "nothing was submitted" in said
    said = here.submit("-m", *SFT, "seed=1,2", "launcher.nodes=99", code=1)
    assert "sft (99 nodes, " in said or "sft (99 nodes)" in said
    assert here.runs == [] and not list(here.outputs.glob("stages/*"))
    names = cluster.run(["squeue", "-h", "-t", "all", "-o", "%j|%Z"]).stdout
    assert str(tmp_path) not in names


def test_what_has_no_room_under_a_limit_follows_as_jobs_end(
    cluster: Cluster, tmp_path: Path
) -> None:
    account = f"narrow{os.getpid()}"
    cluster.add_account(account, MaxSubmitJobs=2)
    here = Typed(cluster, tmp_path)
    words = [*(word for word in SFT if "steps" not in word), "training.steps=2"]
    said = here.submit("-m", *words, "seed=1,2,3", f"launcher.account={account}")
    assert "1 stage wait" in said and "submit them as they end" in said
    assert sorted(each["state"] for each in here.seen()).count("unsubmitted") == 1
    states = here.wait_over(at_least=3)
    assert len(states) == 3 and set(states.values()) == {"COMPLETED"}
    assert [each["state"] for each in here.seen()] == ["done"] * 3


def test_arrays_are_as_long_as_the_site_allows_and_as_many_as_a_person_does(
    new_cluster: NewCluster, tmp_path: Path
) -> None:
    cluster = new_cluster(nodes=1, gpus=0, accounting=False, max_array_size=3)
    here = Typed(cluster, tmp_path)
    held = "launcher.sbatch={hold: true}"
    here.submit("-m", *SFT, "seed=1,2,3,4,5", held)
    arrays = Counter(job.partition("_")[0] for job in here.jobs().values())
    assert sorted(arrays.values()) == [1, 2, 2]
    said = here.submit("-m", *SFT, "seed=6,7,8,9", held, "launcher.most_jobs=3")
    assert len(here.jobs()) == 3 and "1 stage wait" in said
    assert sorted(each["state"] for each in here.seen()) == ["unsubmitted"] + ["waiting"] * 3
    for run in (0, 1):
        here.run("etude", "cancel", here.runs[run].name)
        assert {each["state"] for each in here.seen(run)} == {"cancelled"}
    assert cluster.run(["squeue", "-h", "-t", "PENDING,RUNNING"]).stdout == ""
