"""Who works on a stage: a process of a machine, perhaps in a SLURM job, and whether it is gone."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Owner:
    """A process as others see it: where it runs, since when, and in which start of which job."""

    host: str
    pid: int
    started: int = 0
    boot: str = ""
    namespace: str = ""
    job: str | None = None
    restart: int = 0
    since: str = ""

    @classmethod
    def here(cls, environment: Mapping[str, str] = os.environ) -> Owner:
        """Return this process."""
        pid = os.getpid()
        state = _state(pid)
        return cls(
            # Where several SLURM nodes share a machine, the node's name tells more.
            host=environment.get("SLURMD_NODENAME") or socket.gethostname(),
            pid=pid,
            started=state.started if state is not None else 0,
            boot=_text(Path("/proc/sys/kernel/random/boot_id")),
            namespace=_link(Path("/proc/self/ns/pid")),
            job=slurm_job(environment),
            restart=_whole(environment.get("SLURM_RESTART_COUNT", "")),
            since=time.strftime("%Y-%m-%dT%H:%M:%S%z"),
        )

    @classmethod
    def of_json(cls, content: Mapping[str, Any] | None) -> Owner:
        """Return the owner a file names; one that cannot be read is another process, unknown."""
        plain = cls(host="", pid=0)
        known = {each.name for each in fields(cls)}
        given = {key: value for key, value in (content or {}).items() if key in known}
        for name, value in given.items():
            usual = getattr(plain, name)
            kinds = (str, type(None)) if usual is None else (type(usual),)
            if not isinstance(value, kinds):
                return plain
        return cls(**given) if "host" in given and "pid" in given else plain

    def to_json(self) -> dict[str, Any]:
        """Return what :meth:`of_json` reads."""
        return asdict(self)

    def __str__(self) -> str:
        """Return it in words: ``process 4711 on n014``, ``job 123_4 (attempt 2) on n014``."""
        if not self.pid:
            return "another process"
        if self.job is not None:
            return f"job {self.job} (attempt {self.restart + 1}) on {self.host}"
        return f"process {self.pid} on {self.host}"

    def beside(self, other: Owner) -> bool:
        """Tell whether both are processes of one running system that can see each other."""
        # A boot's id is drawn at random, so it names the machine better than a host's name.
        mine, theirs = (self.boot or self.host), (other.boot or other.host)
        return bool(self.pid) and (mine, self.namespace) == (theirs, other.namespace)

    def gone(self) -> bool:
        """Tell whether the process has ended; ask only where it would be seen (``beside``)."""
        try:
            os.kill(self.pid, 0)
        except ProcessLookupError:
            return True
        except PermissionError:
            pass  # somebody else's process has that number; its start tells whose
        state = _state(self.pid)
        if state is None:
            return False
        if self.started and state.started != self.started:
            return True
        # While threads of a dead process hang in the kernel, one of them may still be writing.
        return state.letter in "ZX" and state.threads <= 1

    def restarted_as(self, other: Owner) -> bool:
        """Tell whether ``other`` is a later start of the same SLURM job."""
        return self.job is not None and self.job == other.job and other.restart > self.restart


def slurm_job(environment: Mapping[str, str] = os.environ) -> str | None:
    """Return the SLURM job this process is part of, as ``123`` or ``123_4``; None outside one."""
    array = environment.get("SLURM_ARRAY_JOB_ID")
    task = environment.get("SLURM_ARRAY_TASK_ID")
    if array and task:
        return f"{array}_{task}"
    return environment.get("SLURM_JOB_ID") or None


@dataclass(frozen=True)
class _State:
    letter: str
    threads: int
    started: int


def _state(pid: int) -> _State | None:
    """Return what the kernel says of a process; None where it says nothing."""
    content = _text(Path(f"/proc/{pid}/stat"))
    # The name of the program comes second, in parentheses, and may hold spaces and parentheses.
    parts = content.rpartition(")")[2].split()
    return _State(parts[0], int(parts[17]), int(parts[19])) if len(parts) > 19 else None


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return ""


def _link(path: Path) -> str:
    try:
        return str(path.readlink())
    except OSError:
        return ""


def _whole(text: str) -> int:
    return int(text) if text.isdecimal() else 0
