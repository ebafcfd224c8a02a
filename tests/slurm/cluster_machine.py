"""What a test cluster takes from the machine, and how it is given back.

Processes are known by id *and* time of start, so an id that was given away again is never taken
for the old process. Names and links in /etc carry the folder of the cluster they belong to;
whatever does not is somebody else's and stays as it is.
"""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import json
import os
import random
import shutil
import signal
import socket
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

ROOT = Path("/tmp") / f"etude-slurm-{os.getuid()}"
"""Folder of all clusters of this user. Short, because the name of a socket may have 107 bytes."""
HOSTS = Path("/etc/hosts")
DEFAULT_CONFIG = Path("/etc/slurm")
CONFIG_FILES = ("slurm.conf", "gres.conf", "cgroup.conf")
MARK = "# etude test cluster"
MARK_VARIABLE = "ETUDE_TEST_CLUSTER"
"""Set for the daemons of a cluster, to its folder."""
SET_PARENT_DEATH_SIGNAL, SET_CHILD_SUBREAPER = 1, 36


@dataclass(frozen=True)
class Process:
    """A process, told apart from a later one of the same id by when it started."""

    pid: int
    started: int

    @classmethod
    def of(cls, pid: int) -> Process:
        """The process that has this id now."""
        stat = _stat(pid)
        if stat is None:
            raise ProcessLookupError(pid)
        return cls(pid, int(stat[19]))

    @property
    def alive(self) -> bool:
        """Whether it runs; a process that ended and was not collected does not."""
        stat = _stat(self.pid)
        return stat is not None and int(stat[19]) == self.started and stat[0] != "Z"

    def send(self, number: int) -> None:
        """Send it a signal, if it is still there."""
        if self.alive:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)


def _stat(pid: int) -> list[str] | None:
    """The fields of /proc/<pid>/stat from the state on."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None


def _pids() -> list[int]:
    return [int(path.name) for path in Path("/proc").iterdir() if path.name.isdigit()]


def descendants(pid: int) -> list[int]:
    """Every process below this one that has not ended."""
    children: dict[int, list[int]] = {}
    for other in _pids():
        stat = _stat(other)
        if stat is not None and stat[0] != "Z":
            children.setdefault(int(stat[1]), []).append(other)
    found: list[int] = []
    frontier = [pid]
    while frontier:
        frontier = [child for parent in frontier for child in children.get(parent, [])]
        found += frontier
    return found


def leftovers(folder: Path) -> list[int]:
    """The processes of a cluster whose keeper is gone: its daemons, and what runs in its jobs.

    A shell that merely has SLURM_CONF set is not one of them.
    """
    daemon = f"{MARK_VARIABLE}={folder}".encode()
    in_job = f"SLURM_CONF={folder}/slurm.conf".encode()
    found = []
    for pid in _pids():
        with contextlib.suppress(OSError):
            variables = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
            has_job = any(variable.startswith(b"SLURM_JOB_ID=") for variable in variables)
            if daemon in variables or (in_job in variables and has_job):
                found.append(pid)
    return found


def adopt_orphans() -> None:
    """Become the parent of every descendant whose parent ends, in place of process 1."""
    ctypes.CDLL(None).prctl(SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def die_with_parent() -> None:
    """Be killed when the parent ends, however it ends. For `preexec_fn`."""
    ctypes.CDLL(None).prctl(SET_PARENT_DEATH_SIGNAL, signal.SIGKILL, 0, 0, 0)


def address_of(name: str) -> str | None:
    """The IPv4 address that a name stands for on this machine."""
    try:
        return socket.gethostbyname(name)
    except socket.gaierror:
        return None


def claim_ports(count: int, address: str) -> tuple[socket.socket, list[int]]:
    """Free ports side by side, and the socket that keeps other clusters off them while it is open.

    They lie below the range the system hands to outgoing connections, so that none of those can
    take one between this check and the start of a daemon.
    """
    size = count + 1
    for _ in range(200):
        first = random.randrange(20_000, 32_000 - size, 64)
        anchor = socket.socket()
        try:
            anchor.bind(("127.0.0.1", first))
            for port in range(first + 1, first + size):
                for host in {address, "127.0.0.1"}:
                    with socket.socket() as probe:
                        probe.bind((host, port))
        except OSError:
            anchor.close()
            continue
        return anchor, list(range(first + 1, first + size))
    raise OSError(f"no {size} free ports side by side between 20000 and 32000")


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold a file's lock; it falls with the process."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with path.open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def add_names(folder: Path, names: list[str], address: str) -> None:
    """Let the names stand for the address on this machine, where /etc/hosts may be written."""
    if not os.access(HOSTS, os.W_OK):
        return
    with locked(ROOT / "hosts.lock"), HOSTS.open("r+") as hosts:
        text = hosts.read()
        newline = "" if not text or text.endswith("\n") else "\n"
        hosts.write(f"{newline}{address} {' '.join(names)} {MARK} {folder}\n")


def link_default_config(folder: Path) -> bool:
    """Make this cluster the machine's own, unless the machine has one already."""
    try:
        DEFAULT_CONFIG.mkdir(exist_ok=True)
        # The first link decides who is served; a link is made whole or not at all.
        for name in CONFIG_FILES:
            (DEFAULT_CONFIG / name).symlink_to(folder / name)
    except OSError:
        served = _points_to(DEFAULT_CONFIG / CONFIG_FILES[0], folder)
        if not served:
            return False
    return True


def _points_to(link: Path, folder: Path) -> bool:
    return link.is_symlink() and link.readlink().parent == folder


def give_back(folder: Path) -> None:
    """Take this cluster's names and links out of /etc."""
    for name in CONFIG_FILES:
        link = DEFAULT_CONFIG / name
        if _points_to(link, folder):
            link.unlink()
    tag = f"{MARK} {folder}"
    if not HOSTS.exists() or tag not in HOSTS.read_text():
        return
    # In place: in a container the file is often mounted, and cannot be replaced by another.
    with locked(ROOT / "hosts.lock"), HOSTS.open("r+") as hosts:
        lines = [line for line in hosts.readlines() if not line.rstrip("\n").endswith(tag)]
        hosts.seek(0)
        hosts.writelines(lines)
        hosts.truncate()


def write_owner(folder: Path, role: str, process: Process) -> None:
    """Note a process that this folder lives with."""
    beside = folder / f".{role}.owner"
    beside.write_text(json.dumps(asdict(process)))
    beside.rename(folder / f"{role}.owner")


def owners(folder: Path) -> list[Process]:
    """The processes noted for this folder."""
    return [Process(**json.loads(path.read_text())) for path in folder.glob("[a-z]*.owner")]


def remove_stale_clusters() -> None:
    """Clear away what clusters left whose keeper was killed: processes, names, links, folders."""
    with locked(ROOT / "sweep.lock"):
        for folder in ROOT.glob("c-*"):
            with contextlib.suppress(FileNotFoundError):
                known = owners(folder)
                young = time.time() - folder.stat().st_mtime < 60
                if not any(process.alive for process in known) and (known or not young):
                    clear_away(folder)
        for note in ROOT.glob("*.folder"):
            if not Path(note.read_text()).exists():
                note.unlink()


def clear_away(folder: Path) -> None:
    """Remove a cluster that has no keeper any more, with whatever of it still runs."""
    end = time.monotonic() + 10
    # Again until none is found: one may have been starting another as it was killed.
    while (remaining := leftovers(folder)) and time.monotonic() < end:
        for pid in remaining:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(0.02)
    give_back(folder)
    shutil.rmtree(folder, ignore_errors=True)
