"""The process above a program: makes its surroundings, waits, and leaves nothing of it behind.

It is forked for every program and ends all of it when the program is over or when its leash is let
go, also by the death of whoever held it. It reports how the program ended, never whether it was
right.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import select
import shutil
import signal
import stat
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NoReturn

from etude.verifier.sandbox import kernel, landlock, limits, namespaces, seccomp
from etude.verifier.sandbox.interpreter import BOX, environment
from etude.verifier.sandbox.job import Job

#: Where scratch folders lie that no mount namespace makes vanish by itself.
SCRATCH = "etude-program-"

_STILL_GOING = 0.005

#: A file descriptor above all that a guardian has.
_ABOVE = 64


@dataclass(frozen=True)
class Ends:
    """The open files of a job, by what they are for."""

    stdin: int
    stdout: int
    stderr: int
    jobs: int
    results: int
    report: int
    leash: int


def guard(job: Job, ends: Ends) -> NoReturn:
    """Run a job to its end and exit; what went wrong on the way there is reported as a fault."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    os.umask(0o022)
    try:
        run = _in_namespaces if job.level == "namespaces" else _on_its_own
        run(job, ends)
    except BaseException as error:  # the edge of this process: the judging side hears of it
        with contextlib.suppress(OSError):  # it has heard already
            _report(ends, {"fault": f"{type(error).__name__}: {error}"})
    finally:
        os._exit(0)


def _report(ends: Ends, said: dict[str, Any]) -> None:
    """Tell the judging side how the program ended; nothing of it runs any more."""
    os.write(ends.report, json.dumps(said).encode())
    os.close(ends.report)


def _in_namespaces(job: Job, ends: Ends) -> None:
    """Run the program below a first process of its own, with whose end all of it ends."""
    user = namespaces.leave(as_root=os.geteuid() == 0)
    heard, told = os.pipe()
    here = os.getpid()
    first = os.fork()
    if first == 0:
        os.close(heard)
        os.close(ends.leash)
        _first_process(job, ends, user, told, here)
    os.close(told)
    _let_go_of(ends)
    _watch(first, ends.leash, lambda: os.kill(first, signal.SIGKILL))
    said = _read_all(heard)
    _report(ends, json.loads(said) if said else {"killed": True})


def _first_process(job: Job, ends: Ends, user: int | None, told: int, parent: int) -> NoReturn:
    """Be the first process of the namespaces: wait for the program, tell how it ended, and end."""
    try:
        kernel.die_with_parent(parent)
        namespaces.furnish(job.python, size=job.limits.files, user=user)
        kernel.prctl(kernel.PR_SET_DUMPABLE, 0)
        faulty, fault = os.pipe()
        program = os.fork()
        if program == 0:
            # The count of processes is that of the new user (namespace): of this one and its own.
            others = 0 if user is not None else 2
            _run(job, ends, BOX, fault, lambda: namespaces.become(user), others)
        os.close(fault)
        os.close(ends.report)
        _let_go_of(ends)
        said = _ending(program, _read_all(faulty))
    except BaseException as error:
        said = {"fault": f"{type(error).__name__}: {error}"}
    try:
        os.write(told, json.dumps(said).encode())
    finally:
        os._exit(0)


def _on_its_own(job: Job, ends: Ends) -> None:
    """Run the program in a session of its own, and search out what it leaves."""
    kernel.prctl(kernel.PR_SET_CHILD_SUBREAPER, 1)
    box = tempfile.mkdtemp(prefix=SCRATCH)
    try:
        faulty, fault = os.pipe()
        user = namespaces.nobody() if job.level == "limits" else None
        others = 0 if user is not None else limits.processes_of(os.geteuid())
        if user is not None:
            os.chown(box, user, user)
        here = os.getpid()
        program = os.fork()
        if program == 0:
            os.close(ends.leash)
            _run(job, ends, box, fault, lambda: _become(user, here), others)
        os.close(fault)
        _let_go_of(ends)
        _watch(program, ends.leash, lambda: _end_family(program))
        _end_family(program)  # before its number is free for another process
        _report(ends, _ending(program, _read_all(faulty)))
    finally:
        _remove(box)


def _become(user: int | None, parent: int) -> None:
    namespaces.become(user)
    kernel.die_with_parent(parent)


def _run(
    job: Job, ends: Ends, box: str, fault: int, become: Callable[[], None], others: int
) -> NoReturn:
    """Become the program."""
    try:
        os.close(ends.report)
        os.setsid()
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        wanted = (ends.stdin, ends.stdout, ends.stderr, ends.jobs, ends.results, fault)
        moved = [fcntl.fcntl(each, fcntl.F_DUPFD, _ABOVE) for each in wanted]
        for target, source in enumerate(moved):
            os.dup2(source, target)
        fault = len(wanted) - 1
        os.set_inheritable(fault, False)
        os.closerange(fault + 1, 4096)
        become()
        os.chdir(box)
        limits.apply(job.limits, others=others)
        kernel.drop_capabilities()
        kernel.prctl(kernel.PR_SET_NO_NEW_PRIVS, 1)
        _filter(job, box)
        path = job.python.path
        os.execve(path, [path, "-I", "-c", job.bootstrap], environment(box))
    except BaseException as error:
        os.write(fault, f"{type(error).__name__}: {error}".encode())
    finally:
        os._exit(1)


def _filter(job: Job, box: str) -> None:
    if job.level == "namespaces":
        if kernel.machine() in seccomp.CALLS:
            seccomp.install(processes=True, files=True, pid=os.getpid())
    elif job.level == "seccomp":
        apart = landlock.version() > 0
        if apart:
            seen = (*job.python.readable, *job.python.devices, "/proc/self")
            landlock.restrict(seen, (box, "/dev/null"))
        seccomp.install(processes=False, files=apart, pid=os.getpid())


def _let_go_of(ends: Ends) -> None:
    for descriptor in (ends.stdin, ends.stdout, ends.stderr, ends.jobs, ends.results):
        os.close(descriptor)


def _ending(program: int, fault: bytes) -> dict[str, Any]:
    """Wait for the program and return how it ended; what it never began is a fault."""
    while True:
        pid, status, used = os.wait4(-1, 0)
        if pid == program:
            break
    if fault:
        return {"fault": fault.decode("utf-8", "replace")}
    return {
        "code": os.WEXITSTATUS(status) if os.WIFEXITED(status) else None,
        "signal": os.WTERMSIG(status) if os.WIFSIGNALED(status) else None,
        "cpu": used.ru_utime + used.ru_stime,
        "memory": used.ru_maxrss,
    }


def _watch(process: int, leash: int, end: Callable[[], None]) -> None:
    """Wait until a child has ended, without reaping it; end it if the leash is let go."""
    held = select.poll()
    held.register(leash, select.POLLIN | select.POLLHUP)
    try:
        handle = os.pidfd_open(process)
        held.register(handle, select.POLLIN)
        pause = None
    except OSError:  # before Linux 5.3
        pause = _STILL_GOING * 1000
    while not _has_ended(process):
        if any(descriptor == leash for descriptor, _ in held.poll(pause)):
            held.unregister(leash)
            end()


def _has_ended(process: int) -> bool:
    return os.waitid(os.P_PID, process, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None


def _end_family(program: int) -> None:
    """Kill the program, its process group and whatever was handed to this process by its death."""
    for kill in (os.killpg, os.kill):
        try:
            kill(program, signal.SIGKILL)
        except ProcessLookupError:
            continue
    deadline = time.monotonic() + 5.0
    while time.monotonic() < deadline:
        left = [each for each in _children() if each != program]
        if not left:
            return
        for each in left:
            os.kill(each, signal.SIGKILL)
        for each in left:
            os.waitpid(each, 0)


def _children() -> list[int]:
    here, found = str(os.getpid()), []
    for entry in os.listdir("/proc"):
        if not entry.isdigit():
            continue
        try:
            with open(f"/proc/{entry}/stat") as file:
                parent = file.read().rpartition(")")[2].split()[1]
        except OSError:  # it has ended since
            continue
        if parent == here:
            found.append(int(entry))
    return found


def _read_all(descriptor: int) -> bytes:
    parts = []
    while part := os.read(descriptor, 4096):
        parts.append(part)
    os.close(descriptor)
    return b"".join(parts)


def _remove(box: str) -> None:
    """Remove a scratch folder, also where the program took its own rights to it away."""
    shutil.rmtree(box, ignore_errors=True)
    for folder, inner, _ in os.walk(box):
        for name in inner:
            path = os.path.join(folder, name)
            if not os.path.islink(path):  # what a link leads to is not the program's
                os.chmod(path, stat.S_IRWXU)
    shutil.rmtree(box, ignore_errors=True)
