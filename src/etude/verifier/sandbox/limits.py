"""What a program may use, and the limits of the kernel that hold it to that."""

from __future__ import annotations

import math
import os
import resource
from dataclasses import dataclass


@dataclass(frozen=True)
class Limits:
    """What one test of a program may use."""

    seconds: float = 6.0
    """Wall-clock seconds, the start of the interpreter included."""
    memory: int = 256
    """MiB of address space of each process."""
    output: int = 65536
    """Bytes that it may write to its standard output, to its standard error, or return."""
    processes: int = 16
    """Processes and threads at once."""
    files: int = 16
    """MiB of a file, and of all files where a file system of its own is mounted."""


def apply(limits: Limits, *, others: int) -> None:
    """Put the limits on this process for good, soft and hard alike.

    ``others``: how many processes count besides the program's own against its number of processes.
    """
    seconds = math.ceil(limits.seconds) + 1
    size = limits.files * 2**20
    for name, value in (
        (resource.RLIMIT_AS, limits.memory * 2**20),
        (resource.RLIMIT_CPU, seconds),
        (resource.RLIMIT_FSIZE, size),
        (resource.RLIMIT_NPROC, limits.processes + others),
        (resource.RLIMIT_NOFILE, 64),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_MEMLOCK, 0),
    ):
        hard = resource.getrlimit(name)[1]
        allowed = value if hard == resource.RLIM_INFINITY else min(value, hard)
        resource.setrlimit(name, (allowed, allowed))


def processes_of(user: int) -> int:
    """Return how many threads of a user there are now, which is what the kernel counts."""
    found = 0
    for entry in os.listdir("/proc"):
        if not entry.isdigit():
            continue
        try:
            if os.stat(f"/proc/{entry}").st_uid == user:
                found += len(os.listdir(f"/proc/{entry}/task"))
        except OSError:  # it has ended since
            continue
    return found
