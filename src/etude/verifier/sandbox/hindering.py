"""What Python itself can refuse a program, where the operating system refuses it nothing.

An audit hook hinders honest mistakes and simple attacks; who means to get around it can.
"""

from __future__ import annotations

import os
import sys
from typing import Any

#: Beginnings of audit events: what is refused everywhere, and what outside the program's folder.
_REFUSED = (
    "socket. ctypes. os.kill os.fork os.posix_spawn os.exec os.spawn os.system os.chown pty. "
    "subprocess. signal.pthread_kill"
)
_CHANGING = (
    "os.remove os.rename os.rmdir os.mkdir os.link os.symlink os.truncate os.chmod os.utime shutil."
)


def hinder(box: str) -> None:
    """Refuse network, processes, signals and files elsewhere, as far as Python itself can."""
    refused, changing = tuple(_REFUSED.split()), tuple(_CHANGING.split())
    inside = os.path.realpath(box) + os.sep
    real, writing, fspath = os.path.realpath, os.O_WRONLY | os.O_RDWR | os.O_CREAT, os.fsdecode

    def within(path: Any) -> bool:
        if isinstance(path, int):
            return True
        return (real(fspath(path)) + os.sep).startswith(inside)

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        if event.startswith(refused):
            raise PermissionError(f"{event} is not for programs that are tested")
        if event == "open":
            path, _, flags = arguments
            if flags & writing and path is not None and not within(path):
                raise PermissionError(f"{path!r} is outside the folder of the program")
        elif event.startswith(changing) and not all(
            within(each) for each in arguments if isinstance(each, (str, bytes))
        ):
            raise PermissionError(f"{event} reaches outside the folder of the program")

    sys.addaudithook(hook)
