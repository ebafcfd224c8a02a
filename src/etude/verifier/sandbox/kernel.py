"""The system calls that Python has no function for, by ctypes; each raises OSError when refused."""

from __future__ import annotations

import ctypes
import os

PR_SET_PDEATHSIG = 1
PR_SET_DUMPABLE = 4
PR_SET_CHILD_SUBREAPER = 36
PR_SET_NO_NEW_PRIVS = 38
PR_CAPBSET_DROP = 24

CLONE_NEWNS = 0x00020000
CLONE_NEWUTS = 0x04000000
CLONE_NEWIPC = 0x08000000
CLONE_NEWUSER = 0x10000000
CLONE_NEWPID = 0x20000000
CLONE_NEWNET = 0x40000000

MS_RDONLY = 1
MS_NOSUID = 2
MS_NODEV = 4
MS_NOEXEC = 8
MS_REMOUNT = 32
MS_BIND = 4096
MS_REC = 16384
MS_PRIVATE = 1 << 18
MNT_DETACH = 2

_LAST_CAPABILITY = 63
_CAPABILITY_VERSION = 0x20080522
_PIVOT_ROOT = {"x86_64": 155, "aarch64": 41}

_libc = ctypes.CDLL(None, use_errno=True)


def machine() -> str:
    """Return the name of the processor's architecture, as system calls go by it."""
    return os.uname().machine


def checked(result: int, what: str) -> int:
    """Return what a call returned; raises OSError where it is -1."""
    if result == -1:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")
    return result


def syscall(number: int, *arguments: object, what: str) -> int:
    """Make a system call by its number."""
    return checked(int(_libc.syscall(ctypes.c_long(number), *arguments)), what)


def prctl(option: int, value: int = 0, pointer: object = 0) -> int:
    """Change what the kernel does with this process."""
    rest = (ctypes.c_ulong(0), ctypes.c_ulong(0))
    second = pointer if pointer else ctypes.c_ulong(0)
    return checked(_libc.prctl(option, ctypes.c_ulong(value), second, *rest), f"prctl {option}")


def unshare(flags: int) -> None:
    """Leave the namespaces that ``flags`` name for new ones."""
    checked(_libc.unshare(flags), "unshare")


def mount(source: str, target: str, kind: str, flags: int, data: str = "") -> None:
    """Mount a file system."""
    encoded = (os.fsencode(source), os.fsencode(target), kind.encode() or None)
    result = _libc.mount(*encoded, ctypes.c_ulong(flags), data.encode() or None)
    checked(result, f"mount {target}")


def make_root(folder: str) -> None:
    """Make a mounted folder the root, and let go of the one before."""
    os.chdir(folder)
    syscall(_PIVOT_ROOT[machine()], b".", b".", what="pivot_root")
    checked(_libc.umount2(b".", MNT_DETACH), "umount of the old root")
    os.chdir("/")


class _Header(ctypes.Structure):
    _fields_ = (("version", ctypes.c_uint32), ("pid", ctypes.c_int))


class _Capabilities(ctypes.Structure):
    _fields_ = (
        ("effective", ctypes.c_uint32),
        ("permitted", ctypes.c_uint32),
        ("inheritable", ctypes.c_uint32),
    )


def drop_capabilities() -> None:
    """Give up every capability of this process, and that of any program it executes."""
    for number in range(_LAST_CAPABILITY + 1):
        # Refused for numbers that this kernel has not, and where there is nothing to drop.
        _libc.prctl(PR_CAPBSET_DROP, ctypes.c_ulong(number), 0, 0, 0)
    header = _Header(_CAPABILITY_VERSION, 0)
    none = (_Capabilities * 2)()
    checked(_libc.capset(ctypes.byref(header), ctypes.byref(none)), "capset")


def die_with_parent(parent: int) -> None:
    """Have the kernel kill this process when its parent dies; raises OSError if it has."""
    prctl(PR_SET_PDEATHSIG, 9)
    if os.getppid() not in (parent, 0):  # 0: the parent is outside this process namespace
        raise OSError("the parent process is gone")
