"""Namespaces of its own for a program: processes, files, network, and what is shared by name.

Root makes them directly and runs the program as a user that nobody else is; any other user makes
them within a user namespace, where the kernel lets.
"""

from __future__ import annotations

import os
from collections.abc import Sequence

from etude.verifier.sandbox import kernel
from etude.verifier.sandbox.interpreter import BOX, Interpreter

_NEW = (
    kernel.CLONE_NEWPID
    | kernel.CLONE_NEWNS
    | kernel.CLONE_NEWNET
    | kernel.CLONE_NEWIPC
    | kernel.CLONE_NEWUTS
)
#: User ids from here on belong to nobody: those of programs whose namespaces root makes.
_FIRST_USER = 1_879_048_192
#: Who the program is within a user namespace.
_INNER_USER = 1000
_KEPT_FLAGS = (
    (os.ST_NOSUID, kernel.MS_NOSUID),
    (os.ST_NODEV, kernel.MS_NODEV),
    (os.ST_NOEXEC, kernel.MS_NOEXEC),
    (os.ST_NOATIME, 1024),
    (os.ST_NODIRATIME, 2048),
    (os.ST_RELATIME, 1 << 21),
)


def leave(*, as_root: bool) -> int | None:
    """Give this process new namespaces, its children a new process namespace.

    Returns the user that the program is to become, None where it stays who it is.
    """
    if as_root:
        kernel.unshare(_NEW)
        return nobody()
    user, group = os.geteuid(), os.getegid()
    kernel.unshare(_NEW | kernel.CLONE_NEWUSER)
    _write("/proc/self/setgroups", "deny")
    _write("/proc/self/uid_map", f"{_INNER_USER} {user} 1")
    _write("/proc/self/gid_map", f"{_INNER_USER} {group} 1")
    return None


def nobody() -> int | None:
    """Return a user that nobody else is, for the program of this process; None where not root."""
    return _FIRST_USER + os.getpid() if os.geteuid() == 0 else None


def become(user: int | None) -> None:
    """Become another user for good; None: stay who one is."""
    if user is not None:
        os.setgroups([])
        os.setresgid(user, user, user)
        os.setresuid(user, user, user)


def furnish(python: Interpreter, *, size: int, user: int | None) -> None:
    """Make a root that holds what Python needs, to read, and ``/box`` of ``size`` MiB, to write.

    Called by the first process of the new namespaces. Nothing of it lies on a disk.
    """
    kernel.mount("none", "/", "", kernel.MS_REC | kernel.MS_PRIVATE)
    root = "/tmp" if os.path.isdir("/tmp") else "/mnt"
    # What Python needs may lie below that folder: it is held open until it is in its place.
    held = [(path, os.open(path, os.O_PATH | os.O_CLOEXEC)) for path in _sources(python)]
    quiet = kernel.MS_NOSUID | kernel.MS_NODEV
    kernel.mount("tmpfs", root, "tmpfs", quiet, "size=1m,mode=755")
    for path, descriptor in held:
        if os.path.islink(path) and path not in python.devices:
            _link(os.readlink(path), root + path)
        else:
            _bind(f"/proc/self/fd/{descriptor}", root + path)
        os.close(descriptor)
    box = root + BOX
    os.mkdir(box)
    kernel.mount("tmpfs", box, "tmpfs", quiet, f"size={size}m,nr_inodes=4096,mode=700")
    if user is not None:
        os.chown(box, user, user)
    for name in ("/tmp", "/dev/shm"):
        if not os.path.exists(root + name):
            _link(BOX, root + name)
    os.mkdir(root + "/proc")
    _mount_processes(root + "/proc")
    kernel.make_root(root)
    flags = kernel.MS_REMOUNT | kernel.MS_BIND | kernel.MS_RDONLY | quiet
    kernel.mount("none", "/", "", flags)


def _sources(python: Interpreter) -> Sequence[str]:
    devices = [each for each in python.devices if os.path.exists(each)]
    inner: list[str] = []
    for path in sorted({*python.readable}):
        # A folder below one that is there already comes with it.
        if not any(path.startswith(above + "/") for above in inner):
            inner.append(path)
    return [*inner, *devices]


def _link(target: str, path: str) -> None:
    os.makedirs(os.path.dirname(path), exist_ok=True)
    os.symlink(target, path)


def _bind(source: str, target: str) -> None:
    os.makedirs(os.path.dirname(target), exist_ok=True)
    if os.path.isdir(source):
        os.makedirs(target, exist_ok=True)
    else:
        os.close(os.open(target, os.O_CREAT | os.O_WRONLY, 0o644))
    kernel.mount(source, target, "", kernel.MS_BIND | kernel.MS_REC)
    # A user namespace may not take a flag away that the mount has; a device stays one.
    now = os.statvfs(target).f_flag
    kept = sum(flag for has, flag in _KEPT_FLAGS if now & has)
    readonly = kernel.MS_REMOUNT | kernel.MS_BIND | kernel.MS_RDONLY | kernel.MS_NOSUID
    kernel.mount("none", target, "", readonly | kept)


def _mount_processes(target: str) -> None:
    flags = kernel.MS_NOSUID | kernel.MS_NODEV | kernel.MS_NOEXEC | kernel.MS_RDONLY
    try:
        kernel.mount("proc", target, "proc", flags)
    except PermissionError:
        return  # a container that hides parts of its own /proc: programs then have none


def _write(path: str, text: str) -> None:
    with open(path, "w") as file:
        file.write(text)
