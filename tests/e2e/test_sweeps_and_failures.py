"""Sweeps share what is common; what fails says so and stops nothing else."""

from __future__ import annotations

import json
import re
import shutil
import signal
import subprocess
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from warm_commands import PROBLEMS, ROLLOUTS, SMALL, Moment, Place, left_over, small

pytestmark = pytest.mark.slow


def finished(place: Place, outputs: str = "outputs") -> Counter[str]:
    """Return how many stages of each name are finished."""
    done = (place.folder / outputs / "stages").glob("*/DONE.json")
    return Counter(path.parent.name.rpartition("-")[0] for path in done)


def test_a_sweep_trains_what_its_runs_share_once(here: Place) -> None:
    command = (
        "-m",
        *SMALL,
        "objective=grpo,rloo",
        "seed=1,2",
        "stages.sft.training.steps=1",
        "stages.rl.training.steps=1",
        "evaluation.problems=2",
    )
    planned = here.run("etude", "plan", *command)
    assert planned.code == 0, planned.said
    assert "6 stages for 4 runs (2 shared)" in planned.out
    ended = here.train(*command)
    assert ended.code == 0, ended.said
    assert finished(here) == {"sft": 2, "rl": 4}
    # Before and after sft for two seeds, after rl for four runs.
    assert len(list(here.folder.glob("outputs/evaluations/*/DONE.json"))) == 8
    (run,) = (here.folder / "outputs/runs").iterdir()
    assert len(list((run / "members").iterdir())) == 4
    result = json.loads((run / "result.json").read_text())
    assert result["state"] == "done"
    shared = {each["stages"][0]["fingerprint"] for each in result["runs"]}
    assert len(shared) == 2
    # One table of what differs between the members, each line the models of both seeds.
    assert ended.out.count("pass@1 on 2 problems") == 1
    for objective in ("grpo", "rloo"):
        assert f"\n objective={objective}   2  " in ended.out
    again = here.run("etude", "plan", *command)
    assert "nothing to train: every stage is done" in again.out, again.said


RECIPE = """# @package _global_
defaults:
  - /objective@stages.sft.objective: sft
  - /data_mix@stages.sft.data_mix: arithmetic_worked
  - /objective@stages.sample.objective: generate
  - /objective@stages.again.objective: sft
  - /data_mix@stages.again.data_mix: generated
pipeline: [sft, sample, again, rl]
sources: {generated: {from_stage: sample}}
training: {steps: 1}
stages:
  sft: {}
  sample: {objective: {keep: all, samples_per_prompt: 1}}
  again: {data_mix: {held_out: {arithmetic: {split: test}}}}
  rl: {}
"""


def write_recipe(place: Place, name: str, text: str) -> None:
    (place.folder / "recipes").mkdir(exist_ok=True)
    (place.folder / "recipes" / f"{name}.yaml").write_text(text)


def test_a_stage_that_fails_in_the_middle_stops_its_own_run_only(here: Place) -> None:
    write_recipe(here, "chain", RECIPE)
    command = ("recipe=chain", *SMALL, "evaluation.problems=2")
    ended = here.train("-m", *command, "stages.again.training.max_length=8,200")
    assert ended.code == 1, ended.said
    assert "Traceback" not in ended.out + ended.err
    (failed,) = (
        path.parent
        for path in here.folder.glob("outputs/stages/again-*/attempts")
        if not (path.parent / "DONE.json").exists()
    )
    said = re.sub(r"\s+", " ", ended.out)
    assert "again FAILED at step 0" in said and "training.max_length=8" in said
    assert "failed again; the same command goes on from its beginning" in said
    about = json.loads((failed / "attempts/1/FAILED.json").read_text())
    assert about["step"] == 0 and "DataError" in about["kind"]
    assert "Traceback" in (failed / "attempts/1/log").read_text()
    assert finished(here) == {"sft": 1, "sample": 1, "again": 1, "rl": 1}
    (run,) = (here.folder / "outputs/runs").iterdir()
    result = json.loads((run / "result.json").read_text())
    states = [[stage["state"] for stage in each["stages"]] for each in result["runs"]]
    assert states == [["done", "done", "failed", "waiting"], ["done", "done", "done", "done"]]
    assert result["state"] == "failed" and len(result["problems"]) == 1

    # Mended, the run goes on with what there is.
    ended = here.train(*command, "stages.again.training.max_length=150")
    assert ended.code == 0, ended.said
    assert "sft done (" in ended.out and "sample done (" in ended.out


def test_a_failed_stage_resumes_from_its_checkpoint(here: Place) -> None:
    rows = [{"prompt": f"{n} + 1 = ", "solution": str(n + 1)} for n in range(48)]
    file = here.folder / "rows.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    unread = (*ROLLOUTS, PROBLEMS, "evaluation", "rollout")
    command = (
        "recipe=sft",
        *small(*unread),
        "evaluation=null",
        "+sources.mine={name:dataset,path:rows.jsonl,columns:{prompt:prompt,solution:solution}}",
        "data_mix=generated",
        "data_mix.train.generated.source=mine",
        "training.steps=8",
        "training.max_length=48",
        "execution.checkpoint_every=1",
    )
    # The rows are read where they lie; the file is damaged while the stage trains on it.
    started = here.start("train", *command, at=Moment("etude.learner.trainee:Trainee.update", 3))
    started.reach()
    file.write_text("x" * (file.stat().st_size - 1) + "\n")
    started.send(signal.SIGCONT)
    ended = started.end()
    assert ended.code == 1, ended.said
    step = int(re.search(r"sft FAILED at step (\d+)", ended.out)[1])  # type: ignore[index]
    assert 0 < step < 6
    assert f"the same command goes on from step {step};" in ended.out
    assert "rows.jsonl" in ended.out, ended.said
    status = here.run("etude", "status")
    assert f"goes on from step {step}: etude resume" in status.out and "FAILED" in status.out


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 1 MiB."""
    folder = tmp_path / "small-disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "etude-test", str(folder)]
    try:
        mounted = subprocess.run(mount, capture_output=True, text=True)
    except FileNotFoundError:
        pytest.skip("there is no mount command")
    if mounted.returncode != 0:
        pytest.skip(f"a small file system cannot be mounted here: {mounted.stderr.strip()}")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_a_full_disk_fails_clearly_and_keeps_the_earlier_checkpoint(
    here: Place, small_disk: Path
) -> None:
    kept = small(*ROLLOUTS, "evaluation", "rollout")
    command = ("recipe=sft", *kept, "training.steps=4", f"outputs={small_disk}")
    command += ("execution.checkpoint_every=1", "evaluation=null", "execution.keep=1")
    started = here.start("train", *command, at=Moment("etude.learner.trainee:Trainee.update", 3))
    started.reach()
    filler = small_disk / "filler"
    filler.write_bytes(b"\0" * (shutil.disk_usage(small_disk).free - 64 * 1024))
    started.send(signal.SIGCONT)
    ended = started.end()
    assert ended.code == 1, ended.said
    said = re.sub(r"\s+", " ", ended.out + ended.err)
    assert "No space left on device" in said
    assert "free some space" in said and "goes on from step 2" in said
    assert "Traceback" not in said
    assert not left_over(started.mark)
    (kept,) = small_disk.glob("stages/sft-*/attempts/1/checkpoints/[!.]*")
    assert kept.name == "step_2"
    filler.unlink()
    ended = here.train(*command)
    assert ended.code == 0, ended.said
    assert "resumes after step 2" in ended.out
