"""Shake a virtual cluster under running stages, and hold what comes out to an undisturbed run.

    python benchmarks/cluster_faults.py [--only limit slurmd accounting slurmctld]

Brings up a SLURM of its own from tests/slurm. One after the other: a stage with a limit of one
minute needs three attempts; the daemon of a node is killed while a stage runs there, and the stage
goes on elsewhere while the old process still lives; the accounting does not answer; the controller
is killed while jobs run and wait. Prints what `etude status` says at each point, and at the end
whether every result is that of an undisturbed run, bit for bit.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

TESTS = Path(__file__).parents[1] / "tests"
sys.path[:0] = [str(TESTS), str(TESTS / "slurm")]

from cluster import Cluster  # noqa: E402
from tiny import BOTH, SFT, Typed, paced, same, train_here  # noqa: E402

STARTED = time.monotonic()


def say(text: str) -> None:
    """Print a line with the seconds since the beginning."""
    print(f"[{time.monotonic() - STARTED:6.1f} s] {text}", flush=True)


def tell(here: Typed, run: int = -1) -> None:
    """Print what ``etude status`` says."""
    for line in here.status(run).splitlines():
        print(f"           | {line}", flush=True)


def limit(cluster: Cluster, folder: Path) -> None:
    """A stage of some 50 seconds under a limit of one minute, with the signal 20 seconds early."""
    whole = train_here(folder / "whole", *SFT)
    here = Typed(cluster, folder)
    here.submit(*SFT, *paced(1.0), "launcher.time=1", "launcher.signal_seconds=20")
    job = here.jobs()["sft"]
    times = 0
    end = time.monotonic() + 400
    while cluster.states(job)[0] not in ("COMPLETED", "FAILED") and time.monotonic() < end:
        if len(here.requeued()) > times:
            times = len(here.requeued())
            say(f"requeued {times} times: {here.requeued()[-1]}")
            tell(here)
        time.sleep(1)
    tell(here)
    attempts = [json.loads(p.read_text()) for p in here.stage().glob("attempts/*/attempt.json")]
    say(f"job {job}: attempts {here.attempts()}, restarts {cluster.field(job, 'Restarts')}")
    firsts = sorted(each["first_step"] for each in attempts)
    say(f"they began at steps {firsts}")
    say(f"equal to an undisturbed run: {same(here.outputs, whole) == 1}")


def slurmd(cluster: Cluster, folder: Path) -> None:
    """The daemon of the node where a stage runs is killed; the process of the stage lives on."""
    whole = train_here(folder / "whole", *SFT)
    here = Typed(cluster, folder)
    here.submit(*SFT, *paced(2.0), "execution.checkpoint_every=5", "launcher.time=30")
    job = here.jobs()["sft"]
    here.wait_steps(6)
    node = cluster.field(job, "NodeList")
    old = here.rank(job)
    cluster.kill_node(node)
    say(f"slurmd of {node} is killed; process {old} of job {job} lives on")
    tell(here)
    cluster.wait(lambda: cluster.field(job, "Restarts") == "1", 90, "SLURM to notice")
    say(f"SLURM took {node} for dead and requeued the job: {cluster.states(job)}")
    tell(here)
    here.wait_steps(1, 2)
    written = lines(here, 1)
    say(f"attempt 2 runs on {cluster.field(job, 'NodeList')}; the old process: {alive(old)}")
    tell(here)
    cluster.wait(lambda: alive(old) == "gone", 60, "the old process to find out")
    log = (here.stage() / "attempts" / "1" / "log").read_text().strip().splitlines()
    say(f"the old process is gone; it took {lines(here, 1) - written} steps more in its own folder")
    say(f"its log ends: {log[-1][:160]}")
    cluster.restart_node(node)
    say(f"{node} is back")
    states = here.wait_over(200)
    tell(here)
    say(f"jobs {states}, attempts {here.attempts()}")
    say(f"equal to an undisturbed run: {same(here.outputs, whole) == 1}")


def lines(here: Typed, attempt: int) -> int:
    """How many steps an attempt has taken."""
    path = here.stage() / "attempts" / str(attempt) / "metrics.jsonl"
    return path.read_bytes().count(b"\n")


def alive(pid: int) -> str:
    """Whether a process lives."""
    try:
        letter = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return "gone"
    return "gone" if letter in "ZX" else "alive"


def accounting(cluster: Cluster, folder: Path) -> None:
    """The daemon of the accounting is stopped: sacct gets no answer."""
    whole = train_here(folder / "whole", *SFT)
    here = Typed(cluster, folder)
    cluster.signal_daemon("slurmdbd", signal.SIGSTOP)
    say("slurmdbd is stopped; a stage is submitted, and its job cancelled at step 3")
    here.submit(*SFT, *paced(0.3))
    job = here.jobs()["sft"]
    here.wait_steps(3)
    cluster.cancel(job)
    say(f"jobs {here.wait_over()}")
    began = time.monotonic()
    tell(here)
    say(f"etude status took {time.monotonic() - began:.1f} s")
    here.resume()
    say(f"resumed; jobs {here.wait_over(200)}")
    tell(here)
    cluster.signal_daemon("slurmdbd", signal.SIGCONT)
    say(f"equal to an undisturbed run: {same(here.outputs, whole) == 1}")


def slurmctld(cluster: Cluster, folder: Path) -> None:
    """The controller is killed while a stage runs and another waits for it, and comes back."""
    whole = train_here(folder / "whole", "-m", *BOTH, "seed=1,2")
    here = Typed(cluster, folder)
    here.submit("-m", *BOTH, "seed=1,2", *paced(6.0))
    here.wait_steps(1)
    say(f"jobs {here.jobs()}")
    tell(here)
    cluster.kill_controller()
    say("slurmctld is killed")
    tell(here)
    time.sleep(15)
    say("15 s later the running stages have ended or not; no controller is there")
    tell(here)
    cluster.start_controller()
    say("slurmctld is back")
    tell(here)
    end = time.monotonic() + 150
    while time.monotonic() < end and not settled(cluster, here):
        time.sleep(2)
    print(cluster.queue(), flush=True)
    tell(here)
    if {each["state"] for each in here.seen()} != {"done"}:
        held = [job for job in here.jobs().values() if "JobHeld" in held_by(cluster, job)]
        say(f"what a person does: scancel {held}, etude resume")
        cluster.cancel(*held)
        cluster.run(["scontrol", "update", "NodeName=ALL", "State=RESUME"], check=False)
        print(here.resume(), flush=True)
        here.wait_over(200)
        tell(here)
    say(f"stages equal to those of an undisturbed run: {same(here.outputs, whole)} of 4")


def settled(cluster: Cluster, here: Typed) -> bool:
    """Whether nothing of the run moves any more."""
    left = [state for job in here.jobs().values() for state in cluster.states(job)]
    held = [job for job in here.jobs().values() if "held" in held_by(cluster, job).lower()]
    return not any(state in ("RUNNING", "COMPLETING", "PENDING") for state in left) or bool(held)


def held_by(cluster: Cluster, job: str) -> str:
    """Why a job waits, in SLURM's words."""
    return cluster.run(["squeue", "-h", "-j", job, "-o", "%r"], check=False).stdout


SHAKES: dict[str, Callable[[Cluster, Path], None]] = {
    "limit": limit,
    "slurmd": slurmd,
    "accounting": accounting,
    "slurmctld": slurmctld,
}


def main() -> None:
    """Run the faults that were asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", nargs="+", choices=SHAKES, default=list(SHAKES))
    given = parser.parse_args()
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    for name in given.only:
        with tempfile.TemporaryDirectory() as place, Cluster(nodes=2, gpus=0) as cluster:
            shake = SHAKES[name]
            say(f"== {name}: {shake.__doc__}")
            shake(cluster, Path(place))


if __name__ == "__main__":
    main()
