"""Landlock: which files a process may see and change, without namespaces (Linux 5.13 on)."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Iterable

from etude.verifier.sandbox import kernel

_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446
_VERSION = 1
_PATH_BENEATH = 1

_EXECUTE, _WRITE_FILE, _READ_FILE, _READ_DIR = 1, 2, 4, 8
_CHANGES = 0x1FF0  # remove, make of every kind
_REFER, _TRUNCATE = 1 << 13, 1 << 14
_READING = _EXECUTE | _READ_FILE | _READ_DIR
_OF_FILES = _EXECUTE | _WRITE_FILE | _READ_FILE | _TRUNCATE


class _Ruleset(ctypes.Structure):
    _fields_ = (("files", ctypes.c_uint64),)


class _Beneath(ctypes.Structure):
    _pack_ = 1
    _fields_ = (("allowed", ctypes.c_uint64), ("folder", ctypes.c_int32))


def version() -> int:
    """Return the version of Landlock that the kernel has, 0 where it has none."""
    try:
        return kernel.syscall(
            _CREATE_RULESET,
            None,
            ctypes.c_size_t(0),
            ctypes.c_uint32(_VERSION),
            what="landlock",
        )
    except OSError:
        return 0


def restrict(readable: Iterable[str], writable: Iterable[str]) -> None:
    """Let this process read below some paths and change files below others, and nothing else.

    ``no_new_privs`` has to be set before; raises OSError where the kernel has no Landlock.
    """
    known = version()
    handled = _READING | _WRITE_FILE | _CHANGES
    handled |= (_REFER if known >= 2 else 0) | (_TRUNCATE if known >= 3 else 0)
    wanted = _Ruleset(handled)
    ruleset = kernel.syscall(
        _CREATE_RULESET,
        ctypes.byref(wanted),
        ctypes.c_size_t(ctypes.sizeof(wanted)),
        ctypes.c_uint32(0),
        what="landlock",
    )
    try:
        for path in readable:
            _allow(ruleset, path, _READING)
        for path in writable:
            _allow(ruleset, path, handled)
        kernel.syscall(_RESTRICT_SELF, ctypes.c_int(ruleset), ctypes.c_uint32(0), what="landlock")
    finally:
        os.close(ruleset)


def _allow(ruleset: int, path: str, rights: int) -> None:
    folder = os.open(path, os.O_PATH | os.O_CLOEXEC)
    try:
        given = rights if os.path.isdir(path) else rights & _OF_FILES
        rule = _Beneath(given, folder)
        kernel.syscall(
            _ADD_RULE,
            ctypes.c_int(ruleset),
            ctypes.c_int(_PATH_BENEATH),
            ctypes.byref(rule),
            ctypes.c_uint32(0),
            what=f"landlock {path}",
        )
    finally:
        os.close(folder)
