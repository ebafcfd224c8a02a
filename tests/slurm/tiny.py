"""Commands of etude typed against a test cluster, and stages so small that their imports cost most.

Stages are slowed down by a plug-in's tracker (`site/etude_paced`), which sleeps after each step: so
they last as long as a test needs and cost nothing, and their results are those of the same stage
without it.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from cluster import FINAL, Cluster

from etude.launch import registry
from warm_commands import Ended, Place, Warm

SITE = Path(__file__).with_name("site")
PUBLISHED = ("metrics.jsonl", "samples.jsonl", "model")

SMALL = (
    "model=scratch",
    "model.hidden_size=16",
    "model.layers=1",
    "model.heads=2",
    "model.kv_heads=1",
    "model.intermediate_size=32",
    "evaluation=null",
    "execution.threads=1",
    "execution.minimum_free_gib=0",
    "execution.report=false",
)

SFT = ("recipe=sft", *SMALL, "training.rows_per_step=4", "training.steps=40")
"""A stage that is stopped in the middle by most tests: half a second of work."""

BOTH = (
    "recipe=sft_then_rl",
    *SMALL,
    "rollout.max_new_tokens=8",
    "reward_weighting.weights.length=0.1",  # answers of an untrained model differ in nothing else
    "stages.sft.training.rows_per_step=4",
    "stages.sft.training.steps=3",
    "stages.rl.training.prompts_per_step=2",
    "stages.rl.training.rollouts_per_prompt=2",
    "stages.rl.training.steps=2",
)
"""A supervised stage and one of policy gradient after it."""

LOCAL = ("tracker=none",)
SLURM = ("launcher=slurm", "launcher.in_flight=2", "launcher.memory_gib=0.25")


def paced(seconds: float, **more: Any) -> tuple[str, ...]:
    """Return the overrides under which every step takes so much longer."""
    given = {"seconds": seconds, **more}
    return ("tracker=paced", *(f"tracker.{key}={value}" for key, value in given.items()))


@cache
def warm() -> Warm:
    """The process that commands are forked from; it knows the plug-in and ends with this one."""
    return Warm(PYTHONPATH=os.pathsep.join(filter(None, (str(SITE), os.environ.get("PYTHONPATH")))))


def train_here(folder: Path, *words: str) -> Path:
    """Train in a process of this machine; return the folder of outputs."""
    folder.mkdir(parents=True, exist_ok=True)
    done = Place(folder, warm()).train(*words, *LOCAL, f"outputs={folder}")
    assert done.code == 0, done.said
    return folder


class Typed:
    """A folder in which commands are typed on a machine of the cluster."""

    def __init__(self, cluster: Cluster, folder: Path) -> None:
        self.cluster = cluster
        self.folder = folder
        self.outputs = folder / "outputs"
        paths = [str(SITE), os.environ.get("PYTHONPATH", "")]
        known = {**cluster.env, "PYTHONPATH": os.pathsep.join(filter(None, paths))}
        self._place = Place(folder, warm(), known)

    def run(self, command: str, *words: str, code: int = 0) -> Ended:
        """Run a command to its end; it must exit with ``code``."""
        done = self._place.run(command, *words)
        assert done.code == code, done.said
        return done

    def submit(self, *words: str, code: int = 0) -> str:
        """Submit with ``train``; what it said. Without a tracker among ``words`` there is none."""
        tracker = () if any(word.startswith("tracker") for word in words) else LOCAL
        done = self.run("train", *SLURM, *tracker, *words, code=code)
        return done.out + done.err

    def resume(self, *words: str, run: int = -1, code: int = 0) -> str:
        """Take a run up again; what that said."""
        return self.run("etude", "resume", self.runs[run].name, *words, code=code).out

    @property
    def runs(self) -> list[Path]:
        """The folders of runs, in the order of their making."""
        place = self.outputs / "runs"
        found = [path for path in place.glob("*") if not path.name.startswith(".")]
        return sorted(found, key=lambda path: (path / "environment.json").stat().st_mtime_ns)

    def jobs(self, run: int = -1) -> dict[str, str]:
        """The newest job of each unit of a run, by name: the stage's, and its number if many."""
        graph = json.loads((self.runs[run] / "plan" / "graph.json").read_text())
        found: dict[str, str] = {}
        for unit, each in registry.jobs_of(self.runs[run]).items():
            name = graph["stages"][unit]["name"]
            found[name if name not in found else f"{name} {len(found)}"] = each.job
        return found

    def status(self, run: int = -1) -> str:
        """What ``etude status`` says of a run."""
        return self.run("etude", "status", self.runs[run].name).out

    def seen(self, run: int = -1) -> list[dict[str, Any]]:
        """What ``etude status --json`` says of each piece of a run."""
        said = self.run("etude", "status", self.runs[run].name, "--json").out
        stages: list[dict[str, Any]] = json.loads(said)[0]["stages"]
        return stages

    def stage(self, name: str = "sft") -> Path:
        """The folder of the only stage of this name."""
        [folder] = self.outputs.glob(f"stages/{name}-*")
        return folder

    def attempts(self, name: str = "sft") -> list[int]:
        """The numbers of the attempts at a stage."""
        return sorted(int(path.name) for path in self.stage(name).glob("attempts/*"))

    def requeued(self, run: int = -1) -> list[registry.Requeue]:
        """Every time the only unit of a run went back into the queue."""
        [unit] = registry.jobs_of(self.runs[run])
        return registry.requeues(self.runs[run], unit)

    def requeued_units(self) -> int:
        """How many units of the newest run went back into the queue."""
        return len(list(self.runs[-1].glob("requeues/*")))

    # Waiting for what jobs do.

    def wait_steps(self, steps: int, attempt: int = 1, name: str = "sft") -> None:
        """Wait until an attempt at a stage has taken so many steps since it began."""

        def taken() -> bool:
            files = self.outputs.glob(f"stages/{name}-*/attempts/{attempt}/metrics.jsonl")
            return any(path.read_bytes().count(b"\n") >= steps for path in files)

        self.cluster.wait(taken, 300, f"attempt {attempt} at {name} to take {steps} steps")

    def wait_requeued(self, times: int) -> None:
        """Wait until the only unit of the newest run went back into the queue so many times."""
        self.cluster.wait(lambda: len(self.requeued()) == times, 300, "the job to be requeued")

    def wait_over(self, timeout: float = 600, at_least: int = 1) -> dict[str, str]:
        """Wait until all jobs of all runs, so many at least, are over; their states."""
        states: dict[str, str] = {}

        def over() -> bool:
            time.sleep(0.4)  # to ask costs more than what is waited for
            jobs = {each.job for run in self.runs for each in registry.jobs_of(run).values()}
            command = ["squeue", "-h", "-r", "-t", "all", "-j", ",".join(jobs), "-o", "%i|%T"]
            lines = self.cluster.run(command).stdout.split()
            states.clear()
            states.update(line.split("|") for line in lines)
            known = len(jobs) >= at_least and states.keys() == jobs
            return known and set(states.values()) <= FINAL

        self.cluster.wait(over, timeout, "the jobs to end")
        return states

    def rank(self, job: str, rank: int = 0) -> int:
        """The process of a rank of a running job."""
        wanted = {f"SLURM_PROCID={rank}", f"SLURM_CONF={self.cluster.folder}/slurm.conf"}
        array, _, task = job.partition("_")
        names = {"SLURM_ARRAY_JOB_ID": array, "SLURM_ARRAY_TASK_ID": task}
        wanted |= {f"{k}={v}" for k, v in (names if task else {"SLURM_JOB_ID": job}).items()}
        for place in Path("/proc").glob("[0-9]*"):
            try:
                environment = (place / "environ").read_bytes().decode(errors="replace")
                words = (place / "cmdline").read_bytes()
            except OSError:
                continue
            is_rank = b"submitit.core._submit" in words and not words.startswith(b"srun")
            if is_rank and wanted <= set(environment.split("\0")):
                return int(place.name)
        raise AssertionError(f"rank {rank} of job {job} does not run\n{self.cluster.queue()}")


def published(stage: Path) -> Mapping[str, bytes]:
    """Everything that a seed determines of a finished stage, by the names of files."""
    assert (stage / "DONE.json").is_file(), f"{stage} is not finished"
    files = [
        path
        for name in PUBLISHED
        for path in ([stage / name] if (stage / name).is_file() else (stage / name).iterdir())
    ]
    assert len(files) >= 5, files
    return {str(path.relative_to(stage)): path.read_bytes() for path in files}


def same(outputs: Path, others: Path) -> int:
    """Hold all stages of one folder of outputs to those of another; return how many there are."""
    mine, theirs = (
        {path.name: path for path in each.glob("stages/[!.]*")} for each in (outputs, others)
    )
    assert mine.keys() == theirs.keys()
    for name, stage in mine.items():
        assert published(stage) == published(theirs[name]), name
    return len(mine)
