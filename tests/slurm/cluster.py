"""A real SLURM of virtual nodes on this machine, for tests.

Two fixtures (`conftest.py`):

- `cluster`: one cluster for the whole session, with accounting, shared by all workers of
  pytest-xdist. Use it for whatever leaves other jobs alone: submitting, arrays, chains, requeueing,
  time limits. Two tests may be on it at once, so ask for few CPUs, name nobody's jobs but your own
  and never wait for an idle node.
- `new_cluster(**options)`: a cluster of the test's own, stopped when the test ends. Use it to kill
  daemons, to preempt, to fill nodes, or for a site set up otherwise (`cluster_options.Options` has
  the list: grace, kill_wait, accounting, job_requeue, max_array_size, max_submit_jobs, …).
  It starts in half a second without accounting, in about three with it.

A test reads like this::

    def test_a_chain_runs(cluster: Cluster) -> None:
        first = cluster.submit("echo one")
        second = cluster.submit("echo two", f"--dependency=afterok:{first}")
        cluster.wait_state(second, "COMPLETED")
        assert cluster.output(second) == "two\\n"

    def test_a_node_dies(new_cluster: Callable[..., Cluster]) -> None:
        cluster = new_cluster(nodes=2, accounting=False)
        job = cluster.submit("sleep 60")
        cluster.wait_state(job, "RUNNING")
        cluster.kill_node("etude-n1", jobs=True)
        cluster.declare_down("etude-n1")
        cluster.wait(lambda: cluster.field(job, "Restarts") == "1", 20, "the job to be requeued")

Programs under test get `env=cluster.env`. When a test fails, its report ends with
`cluster.logs()`. The partitions are `main` (the default, cannot be preempted) and `preemptible`
(preempted by jobs of `main`: signalled, given `grace` seconds, requeued). Nodes are `etude-n1`, ….

Each cluster lives in a folder and in a keeper process (`cluster_keeper.py`), which ends with the
last process that uses the cluster, however that ends. Ports are chosen at run time, so clusters
stand side by side, also beside one that was here before. The first one serves commands that do not
have SLURM_CONF too, by a link in /etc/slurm; where there is a slurm.conf already, `is_default` is
false, and a program that drops SLURM_CONF before it submits must be given `setup_lines` to run.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import cluster_machine as machine
from cluster_machine import Process
from cluster_options import ACCOUNT, Options, user_name
from cluster_presence import SEARCH_PATH

FINAL = {"BOOT_FAIL", "CANCELLED", "COMPLETED", "DEADLINE", "FAILED", "OUT_OF_MEMORY", "TIMEOUT"}
"""States that a job does not leave by itself; after NODE_FAIL or PREEMPTED it may be requeued."""


class ClusterError(RuntimeError):
    """A cluster did not do what was asked of it; the message holds the ends of its logs."""


class Cluster:
    """A cluster, started on entry to a `with` block and stopped at its end."""

    def __init__(self, **options: Any) -> None:
        self.options = Options(**options)
        self.folder = Path()
        self.is_default = False
        """Whether commands without SLURM_CONF talk to this cluster."""
        self.names_resolve = False
        """Whether the nodes' names stand for this machine, as MASTER_ADDR needs."""
        self.submitted: list[str] = []
        """The jobs that `submit` made in this process."""
        self._user = uuid.uuid4().hex
        self._note: Path | None = None
        self._child: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Cluster:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    # The life of a cluster.

    def start(self) -> Cluster:
        """Start the daemons and wait until every node takes jobs."""
        machine.remove_stale_clusters()
        machine.ROOT.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.folder = Path(tempfile.mkdtemp(prefix="c-", dir=machine.ROOT))
        me = Process.of(os.getpid())
        machine.write_owner(self.folder, "starter", me)
        spec = {"options": asdict(self.options), "user": self._user, "process": asdict(me)}
        (self.folder / "spec.json").write_text(json.dumps(spec))
        with (self.folder / "keeper.out").open("wb") as output:
            self._child = keeper = subprocess.Popen(
                [sys.executable, str(Path(__file__).with_name("cluster_keeper.py")), self.folder],
                cwd="/",
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        try:
            while not (self.folder / "outcome.json").exists():
                if keeper.poll() is not None:
                    raise ClusterError(f"the keeper ended while it was starting\n{self.logs()}")
                time.sleep(0.02)
            self._read_outcome()
        except BaseException:
            # It may be in the middle of starting, where it answers no requests.
            keeper.terminate()
            keeper.wait()
            self.stop()
            raise
        return self

    @classmethod
    def join(cls, folder: Path) -> Cluster:
        """Use a cluster that another process has started; it stays until both have stopped it."""
        spec = json.loads((folder / "spec.json").read_text())
        cluster = cls(**spec["options"])
        cluster.folder = folder
        cluster._ask("join", user=cluster._user, **asdict(Process.of(os.getpid())))
        cluster._read_outcome()
        return cluster

    @classmethod
    def shared(cls, name: str, **options: Any) -> Cluster:
        """The cluster of this name: joined where it runs, else started for all who ask for it."""
        note = machine.ROOT / f"{name}.folder"
        with machine.locked(machine.ROOT / "shared.lock"):
            try:
                cluster = cls.join(Path(note.read_text()))
            except (OSError, ValueError):
                # None there, or one whose last user has just gone.
                cluster = cls(**options).start()
                note.write_text(str(cluster.folder))
            cluster._note = note
            return cluster

    def stop(self) -> None:
        """Leave the cluster; the last to leave waits until everything it started is gone."""
        if not self.folder.name:
            return
        try:
            keeper = self._keeper()
            if self._ask("leave", user=self._user)["last"]:
                self.wait_until(lambda: not keeper.alive, 20, "the keeper to end")
                if self._child is not None:
                    self._child.wait()
                if self._note is not None:
                    self._note.unlink(missing_ok=True)
        except (OSError, ValueError):
            # The keeper was killed and could clear nothing away.
            machine.clear_away(self.folder)
        self.folder = Path()

    def _read_outcome(self) -> None:
        outcome = json.loads((self.folder / "outcome.json").read_text())
        if "error" in outcome:
            raise ClusterError(f"the cluster did not start: {outcome['error']}\n{self.logs()}")
        self.is_default = outcome["is_default"]
        self.names_resolve = outcome["names_resolve"]

    def _ask(self, what: str, **values: Any) -> dict[str, Any]:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(20)
            connection.connect(str(self.folder / "keeper.socket"))
            with connection.makefile("rw") as stream:
                stream.write(json.dumps({"do": what, **values}) + "\n")
                stream.flush()
                return dict(json.loads(stream.readline()))

    # Commands and jobs.

    @property
    def env(self) -> dict[str, str]:
        """The environment in which SLURM's commands talk to this cluster."""
        mine = {
            key: value
            for key, value in os.environ.items()
            if not key.startswith(("SLURM", "SBATCH", "SRUN", "SACCT"))
        }
        return mine | {"PATH": SEARCH_PATH, "SLURM_CONF": str(self.folder / "slurm.conf")}

    @property
    def setup_lines(self) -> list[str]:
        """Shell lines after which a job talks to this cluster whatever became of its variables."""
        return [f"export SLURM_CONF={self.folder / 'slurm.conf'}"]

    def run(
        self,
        command: Sequence[str | Path],
        *,
        check: bool = True,
        timeout: float = 60,
        input: str | None = None,
        cwd: Path | None = None,
    ) -> subprocess.CompletedProcess[str]:
        """Run a command in `env` and capture what it prints; raises if it fails under `check`."""
        done = subprocess.run(
            list(command),
            env=self.env,
            input=input,
            cwd=cwd,
            timeout=timeout,
            capture_output=True,
            text=True,
            check=False,
        )
        if check and done.returncode != 0:
            text = " ".join(map(str, command))
            raise ClusterError(f"{text} exited with {done.returncode}\n{done.stdout}{done.stderr}")
        return done

    def submit(self, script: str, *options: str) -> str:
        """Submit a shell script with options of sbatch; the id of the job.

        It runs in the folder `jobs` of the cluster; a restart adds to what it has printed.
        """
        text = f"#!/bin/bash\n{script}\n"
        is_array = any(option.startswith(("--array", "-a")) for option in options)
        jobs = self.folder / "jobs"
        place = [f"--chdir={jobs}", "--open-mode=append"]
        place += [f"--output={jobs}/{'%A_%a' if is_array else '%j'}"]
        done = self.run(["sbatch", "--parsable", *place, *options], input=text)
        job = done.stdout.strip().partition(";")[0]
        self.submitted.append(job)
        return job

    def output(self, job: str) -> str:
        """What a job that `submit` made has printed; a task of an array is named `12_3`."""
        return (self.folder / "jobs" / job).read_text()

    def cancel(self, *jobs: str) -> None:
        """Cancel jobs; those that ended already stay as they are."""
        if jobs:
            self.run(["scancel", *jobs], check=False)

    def states(self, job: str) -> list[str]:
        """The state of the job, or of every task of an array; empty for an unknown id."""
        done = self.run(["squeue", "-h", "-r", "-t", "all", "-j", job, "-o", "%T"], check=False)
        return done.stdout.split()

    def field(self, job: str, name: str) -> str:
        """What `scontrol show job` says under this name, as in `field(job, "Restarts")`."""
        text = self.run(["scontrol", "show", "job", job]).stdout
        found = re.search(rf"(?:^|\s){re.escape(name)}=(\S*)", text)
        if found is None:
            raise ClusterError(f"job {job} has no {name}:\n{text}")
        return found[1]

    def accounted(self, job: str) -> dict[str, str]:
        """The state of each allocation of a job by sacct, all its restarts merged into one."""
        command = ["sacct", "-X", "-n", "-P", "-j", job, "-o", "JobID,State"]
        lines = self.run(command).stdout.splitlines()
        return dict(line.split("|") for line in lines)

    def wait_state(self, job: str, states: str | Iterable[str], timeout: float = 30) -> None:
        """Wait until the job, or every task of the array, is in one of the states.

        Raises at once when it has ended in another.
        """
        wanted = {states} if isinstance(states, str) else set(states)

        def arrived() -> bool:
            found = self.states(job)
            if ended := set(found) & FINAL - wanted:
                raise ClusterError(f"job {job} is {sorted(ended)}, not {sorted(wanted)}")
            return bool(found) and set(found) <= wanted

        self.wait(arrived, timeout, f"job {job} to be {' or '.join(sorted(wanted))}")

    def wait(self, condition: Callable[[], bool], timeout: float, what: str) -> None:
        """Wait until the condition holds; raises with the queue as it is then."""
        try:
            self.wait_until(condition, timeout, what)
        except ClusterError as error:
            raise ClusterError(f"{error}\n{self.queue()}") from None

    @staticmethod
    def wait_until(condition: Callable[[], bool], timeout: float, what: str) -> None:
        """Wait until the condition holds; raises with what was waited for."""
        end = time.monotonic() + timeout
        while not condition():
            if time.monotonic() > end:
                raise ClusterError(f"waited {timeout:g} s for {what}")
            time.sleep(0.1)

    def add_account(self, name: str, **limits: int) -> None:
        """Make an account that this user may submit under, as in `MaxSubmitJobs=3`."""
        given = [f"{key}={value}" for key, value in limits.items()]
        self.run(["sacctmgr", "-i", "add", "account", name, f"Parent={ACCOUNT}"])
        self.run(["sacctmgr", "-i", "add", "user", user_name(), f"Account={name}", *given])

    # Faults.

    def kill_node(self, name: str, *, jobs: bool = False) -> None:
        """Kill a node's daemon with SIGKILL, and with `jobs` what runs there, as a power cut does.

        Without `jobs` the steps live on and write on, as behind a broken network.
        """
        self._ask("signal", daemon=name, number=int(signal.SIGKILL))
        # A process that was just starting another has it found the next time.
        while jobs and (doomed := self._jobs_on(name)):
            for process in doomed:
                process.send(signal.SIGKILL)

    def declare_down(self, name: str) -> None:
        """Tell the controller that a node is down, as it would find out after `slurmd_timeout`."""
        self.run(["scontrol", "update", f"NodeName={name}", "State=DOWN", "Reason=test"])

    def restart_node(self, name: str, timeout: float = 30) -> None:
        """Start a node's daemon and wait until the node takes jobs again."""
        self._ask("start", daemon=name)

        def up() -> bool:
            done = self.run(["sinfo", "-h", "-N", "-n", name, "-p", "main", "-o", "%T"])
            if done.stdout.startswith(("down", "drain")) and not done.stdout.rstrip().endswith("*"):
                self.run(["scontrol", "update", f"NodeName={name}", "State=RESUME"], check=False)
            return done.stdout.strip() in {"idle", "mixed", "allocated", "completing"}

        self.wait(up, timeout, f"node {name} to come back")

    def kill_controller(self, number: int = signal.SIGKILL) -> None:
        """Kill slurmctld; with SIGTERM it writes its state down first."""
        self._ask("signal", daemon="slurmctld", number=int(number))

    def start_controller(self, timeout: float = 30) -> None:
        """Start slurmctld and wait until it answers."""
        self._ask("start", daemon="slurmctld")
        ping = ["scontrol", "ping"]
        self.wait(lambda: "UP" in self.run(ping, check=False).stdout, timeout, "slurmctld")

    def signal_daemon(self, name: str, number: int) -> None:
        """Send a signal to a daemon: SIGSTOP to slurmdbd makes a sacct that does not answer."""
        self._ask("signal", daemon=name, number=int(number))

    def start_daemon(self, name: str) -> None:
        """Start a daemon that is not running."""
        self._ask("start", daemon=name)

    def pids(self) -> dict[str, int]:
        """The process ids of the daemons that run, by name."""
        return dict(self._ask("pids")["pids"])

    # What to read when something went wrong.

    def queue(self) -> str:
        """All jobs and nodes, as a table each."""
        listing = ["squeue", "-t", "all", "-o", "%.12i %.11P %.16j %.12T %.8M %.4D %R"]
        nodes = ["sinfo", "-N", "-o", "%N %P %T %E"]
        done = [self.run(command, check=False, timeout=10) for command in (listing, nodes)]
        return "\n".join(item.stdout + item.stderr for item in done)

    def logs(self, lines: int = 30) -> str:
        """The ends of all logs, after the queue if slurmctld is there to tell it."""
        parts = []
        with contextlib.suppress(OSError, ValueError, subprocess.TimeoutExpired):
            if "slurmctld" in self.pids():
                parts.append(self.queue())
        for path in [self.folder / "keeper.out", *sorted(self.folder.glob("log/*"))]:
            if path.parent.name == "log" and path.with_suffix("").exists() and path.suffix:
                continue  # a daemon prints what it logs
            text = path.read_text(errors="replace").splitlines() if path.exists() else []
            if text:
                parts.append("\n".join([f"--- {path.name}", *text[-lines:]]))
        return "\n".join(parts)

    def _jobs_on(self, node: str) -> list[Process]:
        """The processes of the jobs on a node; before them the steps, which would tell of them."""
        marks = {f"SLURMD_NODENAME={node}", f"SLURM_CONF={self.folder}/slurm.conf"}
        steps, inside = [], []
        for pid in machine.descendants(self._keeper().pid):
            with contextlib.suppress(OSError):
                text = Path(f"/proc/{pid}/environ").read_text(errors="replace")
                if marks <= set(text.split("\0")):
                    inside.append(pid)
                elif Path(f"/proc/{pid}/cmdline").read_bytes().startswith(b"slurmstepd"):
                    steps.append(pid)
        mine = [pid for pid in steps if set(machine.descendants(pid)) & set(inside)]
        return [Process.of(pid) for pid in mine + inside]

    def _keeper(self) -> Process:
        return Process(**json.loads((self.folder / "keeper.owner").read_text()))
