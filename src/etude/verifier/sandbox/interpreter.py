"""Which Python runs programs, and what of the file system it needs."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass

#: Where programs find files of their own.
BOX = "/box"

_SYSTEM = ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/etc/ld.so.cache")
_DEVICES = ("/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom")


@dataclass(frozen=True)
class Interpreter:
    """A Python and the folders that it reads."""

    path: str
    folders: tuple[str, ...]

    @property
    def readable(self) -> tuple[str, ...]:
        """Return the paths that a program has to see, those that are there."""
        return tuple(each for each in (*_SYSTEM, *self.folders) if os.path.exists(each))

    @property
    def devices(self) -> tuple[str, ...]:
        """Return the devices that a program may open."""
        return _DEVICES


def interpreter(*, packages: bool) -> Interpreter:
    """Return the Python of this process: with what is installed beside etude, or without."""
    base = os.path.realpath(sys.base_prefix)
    executable = getattr(sys, "_base_executable", sys.executable)
    if not packages:
        return Interpreter(os.path.realpath(executable), (base,))
    prefix = os.path.abspath(sys.prefix)
    return Interpreter(sys.executable, tuple(dict.fromkeys((prefix, base))))


def environment(box: str) -> dict[str, str]:
    """Return all that a program sees of an environment."""
    return {
        "PATH": "/usr/bin:/bin",
        "HOME": box,
        "TMPDIR": box,
        "LANG": "C.UTF-8",
        "PYTHONDONTWRITEBYTECODE": "1",
        "OMP_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
        "MKL_NUM_THREADS": "1",
    }
