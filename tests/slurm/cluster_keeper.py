"""The process that a test cluster lives in: `python cluster_keeper.py FOLDER`.

It starts the daemons as its children, serves requests on a socket, and ends when the last process
that uses the cluster has ended, in whatever way: it looks at them five times a second. Orphans of
its descendants become its children, so what it kills at the end is the whole tree: daemons, job
steps, and what jobs left behind in sessions of their own. It runs in a session of its own, where
Ctrl-C does not reach it.

Requests and answers are one JSON object a line, one request a connection:

- `join` and `leave` {user, pid, started}: a user comes or goes; the answer to `leave` says whether
  it was the last one;
- `start` {daemon}: start a daemon that is not running;
- `signal` {daemon, number}: send a daemon a signal, and wait until it is gone if it dies of it;
- `pids`: the process ids of the daemons that run.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cluster_machine as machine
from cluster_machine import Process
from cluster_options import (
    ACCOUNT,
    NAME,
    Options,
    Place,
    cgroup_conf,
    database_sql,
    gres_conf,
    host_name,
    slurm_conf,
    slurmdbd_conf,
    user_name,
)
from cluster_presence import SEARCH_PATH

SMALL_DATABASE = ["--innodb-log-file-size=8M", "--innodb-buffer-pool-size=32M"]
FATAL = [signal.SIGKILL, signal.SIGTERM, signal.SIGINT]
START_SECONDS = 60.0


class Keeper:
    """The daemons of one cluster and the processes that use it."""

    def __init__(self, folder: Path, options: Options) -> None:
        self.folder = folder
        self.options = options
        self.users: dict[str, Process] = {}
        """The processes by a name of their own choice: one may use the cluster more than once."""
        self.anchor: socket.socket | None = None
        """What keeps other clusters off the ports."""
        self.ending = False
        self.daemons: dict[str, Process] = {}
        self.commands: dict[str, list[str]] = {}
        self.environment = {
            key: value
            for key, value in os.environ.items()
            if not key.startswith(("SLURM", "SBATCH", "SRUN", "SACCT"))
        } | {
            "PATH": SEARCH_PATH,
            "SLURM_CONF": f"{folder}/slurm.conf",
            machine.MARK_VARIABLE: str(folder),
        }

    def bring_up(self) -> dict[str, Any]:
        """Start everything and wait until every node takes jobs; what was found out on the way."""
        options, folder = self.options, self.folder
        # The daemons listen on what the name of the machine stands for.
        address = machine.address_of(host_name())
        names = options.node_names + ([] if address else [host_name()])
        address = address or "127.0.0.1"
        machine.add_names(folder, names, address)
        self.anchor, ports = machine.claim_ports(3 + options.nodes, address)
        place = Place(folder, address, ports[0], ports[1], ports[2], tuple(ports[3:]))
        for name in ("log", "controller", "gpu", "jobs"):
            (folder / name).mkdir()
        for name in options.node_names:
            (folder / f"spool-{name}").mkdir()
        for number in range(options.gpus):
            # SLURM wants a device and takes a link to one.
            (folder / "gpu" / f"fake{number}").symlink_to("/dev/null")
        (folder / "slurm.conf").write_text(slurm_conf(options, place))
        (folder / "gres.conf").write_text(gres_conf(options, place))
        (folder / "cgroup.conf").write_text(cgroup_conf(self.version()))
        self.private("munge.key", secrets.token_bytes(1024))
        self.commands["munged"] = [
            *["munged", "--foreground", "--force", f"--key-file={folder}/munge.key"],
            *[f"--socket={place.munge_socket}", f"--pid-file={folder}/munged.pid"],
            *[f"--log-file={folder}/log/munged", f"--seed-file={folder}/munge.seed"],
        ]
        self.start("munged")
        if options.accounting:
            self.bring_up_accounting(place)
        self.wait("munged", place.munge_socket.exists)
        self.commands["slurmctld"] = ["slurmctld", "-D"]
        self.start("slurmctld")
        for name in options.node_names:
            self.commands[name] = ["slurmd", "-D", "-N", name]
            self.start(name)
        # Before it listens, a command would try again for seconds.
        self.wait("slurmctld", lambda: answers(address, place.controller_port))
        self.wait("slurmctld", self.nodes_take_jobs)
        default = machine.link_default_config(folder)
        return {
            "address": address,
            "names_resolve": all(map(machine.address_of, names)),
            "is_default": default,
        }

    def bring_up_accounting(self, place: Place) -> None:
        """Start a database and slurmdbd on it, and make the cluster and its user known there."""
        folder, data = self.folder, self.folder / "database"
        password = secrets.token_hex(16)
        user = f"--user={user_name()}"
        base = ["--no-defaults", user, f"--datadir={data}", *SMALL_DATABASE]
        install = ["mariadb-install-db", *base, "--skip-test-db"]
        self.command([*install, "--auth-root-authentication-method=normal"])
        self.private("database.sql", database_sql(password).encode())
        self.commands["mariadbd"] = [
            *["mariadbd", *base, f"--socket={place.database_socket}", "--bind-address=127.0.0.1"],
            *[f"--port={place.database_port}", f"--pid-file={folder}/mariadbd.pid"],
            *[f"--init-file={folder}/database.sql", "--skip-name-resolve", "--skip-log-bin"],
            *["--innodb-flush-log-at-trx-commit=0", "--innodb-doublewrite=0"],
            *["--innodb-lock-wait-timeout=900", "--performance-schema=0", "--max-connections=50"],
        ]
        self.start("mariadbd")
        self.wait("mariadbd", lambda: answers("127.0.0.1", place.database_port))
        self.private("slurmdbd.conf", slurmdbd_conf(place, password).encode())
        self.commands["slurmdbd"] = ["slurmdbd", "-D"]
        self.start("slurmdbd")
        self.wait("slurmdbd", lambda: answers(place.address, place.accounting_port))
        limit = self.options.max_submit_jobs
        limits = [] if limit is None else [f"MaxSubmitJobs={limit}"]
        accounts = [f"Account={ACCOUNT}", f"DefaultAccount={ACCOUNT}", "AdminLevel=Admin"]
        # Before slurmctld starts: it would refuse jobs until it heard of them.
        self.command(["sacctmgr", "-i", "add", "cluster", NAME])
        self.command(["sacctmgr", "-i", "add", "account", ACCOUNT, f"Cluster={NAME}"])
        self.command(["sacctmgr", "-i", "add", "user", user_name(), *accounts, *limits])

    def nodes_take_jobs(self) -> bool:
        """Whether every node has come up."""
        listing = subprocess.run(
            ["sinfo", "-h", "-N", "-p", "main", "-o", "%t"],
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
        )
        return listing.stdout.split() == ["idle"] * self.options.nodes

    def version(self) -> tuple[int, int]:
        """The version of SLURM on this machine."""
        text = subprocess.run(
            ["slurmctld", "-V"], env=self.environment, capture_output=True, text=True, check=True
        ).stdout
        major, minor = text.split()[1].split(".")[:2]
        return int(major), int(minor)

    def private(self, name: str, content: bytes) -> None:
        """Write a file that only this user may read."""
        path = self.folder / name
        path.touch(mode=0o600)
        path.write_bytes(content)

    def command(self, argv: list[str]) -> None:
        """Run a command to its end; raises with what it printed."""
        done = subprocess.run(
            argv,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=START_SECONDS,
            check=False,
        )
        if done.returncode != 0:
            raise RuntimeError(f"{' '.join(argv)} exited with {done.returncode}:\n{done.stderr}")

    def wait(self, daemon: str, ready: Callable[[], bool]) -> None:
        """Wait until a daemon that was started is of use."""
        end = time.monotonic() + START_SECONDS
        while True:
            if not self.daemons[daemon].alive:
                raise RuntimeError(f"{daemon} ended while it was starting")
            if ready():
                return
            if time.monotonic() > end:
                raise RuntimeError(f"{daemon} was not ready after {START_SECONDS:.0f} s")
            time.sleep(0.02)

    def start(self, daemon: str) -> None:
        """Start a daemon, unless it is running."""
        known = self.daemons.get(daemon)
        if known is not None and known.alive:
            return
        with (self.folder / "log" / f"{daemon}.out").open("ab") as output:
            process = subprocess.Popen(
                self.commands[daemon],
                env=self.environment,
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
                preexec_fn=machine.die_with_parent,
            )
        self.daemons[daemon] = Process.of(process.pid)

    def serve(self, listener: socket.socket) -> None:
        """Answer requests until nobody uses the cluster any more."""
        listener.settimeout(0.2)
        while self.users and not self.ending:
            with contextlib.suppress(TimeoutError):
                connection, _ = listener.accept()
                with connection, contextlib.suppress(OSError, ValueError):
                    connection.settimeout(5)
                    with connection.makefile("rw") as stream:
                        answer = self.answer(json.loads(stream.readline()))
                        stream.write(json.dumps(answer) + "\n")
            collect_children()
            self.users = {name: user for name, user in self.users.items() if user.alive}

    def answer(self, request: dict[str, Any]) -> dict[str, Any]:
        """Do what a request asks."""
        match request["do"]:
            case "join":
                self.users[request["user"]] = Process(request["pid"], request["started"])
                return {}
            case "leave":
                self.users.pop(request["user"], None)
                return {"last": not self.users}
            case "start":
                self.start(request["daemon"])
                return {}
            case "signal":
                process = self.daemons[request["daemon"]]
                process.send(request["number"])
                end = time.monotonic() + 10
                while request["number"] in FATAL and process.alive and time.monotonic() < end:
                    collect_children()
                    time.sleep(0.01)
                return {"alive": process.alive}
            case "pids":
                running = {name: item.pid for name, item in self.daemons.items() if item.alive}
                return {"pids": running}
            case other:
                return {"error": f"unknown request {other!r}"}

    def end(self, *_: object) -> None:
        """End now, also in the middle of starting. For SIGTERM."""
        # The exception is lost where the signal comes while an object is being taken apart.
        self.ending = True
        sys.exit(143)

    def bring_down(self) -> None:
        """Kill everything below this process, and give back what was taken from the machine."""
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        end = time.monotonic() + 10
        while (remaining := machine.descendants(os.getpid())) and time.monotonic() < end:
            for pid in remaining:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            collect_children()
            time.sleep(0.02)
        collect_children()
        machine.give_back(self.folder)
        shutil.rmtree(self.folder, ignore_errors=True)


def answers(host: str, port: int) -> bool:
    """Whether somebody listens there."""
    with socket.socket() as probe:
        return probe.connect_ex((host, port)) == 0


def collect_children() -> None:
    """Take note of ended children, so that they do not stay as zombies."""
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            continue


def main(folder: Path) -> None:
    """Keep the cluster that `spec.json` describes until its last user is gone."""
    machine.adopt_orphans()
    machine.write_owner(folder, "keeper", Process.of(os.getpid()))
    spec = json.loads((folder / "spec.json").read_text())
    keeper = Keeper(folder, Options(**spec["options"]))
    keeper.users[spec["user"]] = Process(**spec["process"])
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, keeper.end)
    try:
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(str(folder / "keeper.socket"))
            listener.listen(16)
            outcome: dict[str, Any]
            try:
                outcome = keeper.bring_up()
            except (OSError, RuntimeError, subprocess.SubprocessError) as error:
                outcome = {"error": str(error)}
            (folder / ".outcome").write_text(json.dumps(outcome))
            (folder / ".outcome").rename(folder / "outcome.json")
            keeper.serve(listener)
    finally:
        keeper.bring_down()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
