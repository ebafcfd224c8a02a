"""The process a verifier runs in: reads jobs, writes verdicts, and dies with its parent.

It is started as a program of its own (never forked) and imports only the verifier it is sent. Jobs
come pickled from the parent; verdicts go back as JSON, so nothing an answer did to this process
can reach the parent as code.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import pickle
import queue
import signal
import sys
import threading
import time
import traceback
from collections.abc import Sequence
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TYPE_CHECKING, Any

from etude.errors import DataError

if TYPE_CHECKING:
    from etude.rows import Candidate, Verdict
    from etude.verifier.interface import Verifier

_PR_SET_PDEATHSIG = 1


def die_with(parent: int) -> None:
    """Have the kernel kill this process when ``parent`` dies, however it dies and however busy
    this process is (Linux; elsewhere the closed pipe ends it)."""
    if sys.platform != "linux":
        return
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:
        os._exit(1)


def limit_memory(mebibytes: int) -> None:
    """Let allocations beyond the limit fail here instead of burdening the machine."""
    try:
        import resource
    except ImportError:  # not on Windows
        return
    size = mebibytes * 2**20
    hard = resource.getrlimit(resource.RLIMIT_AS)[1]
    allowed = size if hard == resource.RLIM_INFINITY else min(size, hard)
    with contextlib.suppress(ValueError, OSError):  # some kernels refuse this limit
        resource.setrlimit(resource.RLIMIT_AS, (allowed, hard))


def read_jobs(source: Connection, jobs: queue.SimpleQueue[bytes]) -> None:
    """Hand on what the parent sends; when the pipe closes the parent is gone, and so are we."""
    while True:
        try:
            jobs.put(source.recv_bytes())
        except (EOFError, OSError):
            os._exit(0)


def _crash(error: BaseException, count: int) -> list[dict[str, Any]]:
    verdict: dict[str, Any] = {
        "outcome": "crashed",
        "parts": {},
        "extracted": None,
        "detail": told(error)[:500],
    }
    for kind in (MemoryError, RecursionError):
        if isinstance(error, kind):  # whose doing that is the parent knows
            verdict["exhausted"] = kind.__name__
    return [verdict] * count


def _refused(error: DataError, candidate: Candidate) -> dict[str, Any]:
    told = f"row {candidate.id}: {error}"
    return {"outcome": "refused", "parts": {}, "extracted": None, "detail": told[:500]}


def told(error: BaseException) -> str:
    """Return an error in one line with its place, unless it says the place itself."""
    if getattr(error, "says_where", False):
        return str(error)
    frames = traceback.extract_tb(error.__traceback__)
    where = f" ({Path(frames[-1].filename).name}:{frames[-1].lineno})" if frames else ""
    return f"{type(error).__name__}: {error}{where}"


def _plain(verdict: Verdict) -> dict[str, Any]:
    return {
        "outcome": str(verdict.outcome),
        "parts": {name: float(value) for name, value in verdict.parts.items()},
        "extracted": verdict.extracted,
        "detail": verdict.detail,
        "spans": {
            name: [(int(start), int(end), float(value)) for start, end, value in spans]
            for name, spans in verdict.spans.items()
        },
        "share": None if verdict.share is None else float(verdict.share),
        "tokens": verdict.tokens,
    }


def _judge(verifier: Verifier, unit: Sequence[Candidate]) -> tuple[list[dict[str, Any]], bool]:
    """Return the verdicts on a unit, and whether this process is still good for another."""
    try:
        verdicts = [_plain(verdict) for verdict in verifier.verdicts(unit)]
        if len(verdicts) != len(unit):
            raise ValueError(f"{len(verdicts)} verdicts were given on {len(unit)} answers")
    except DataError as error:  # what the row says is at fault, whatever is answered
        return [_refused(error, candidate) for candidate in unit], True
    except MemoryError as error:
        traceback.clear_frames(error.__traceback__)  # what filled the memory is in them
        return _crash(error, len(unit)), False
    except BaseException as error:  # the edge: whatever a verifier raises is the rows' outcome
        return _crash(error, len(unit)), True
    return verdicts, True


def main(jobs_fd: int, replies_fd: int, parent: int) -> None:
    """Serve the parent until it closes the pipe."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    die_with(parent)
    replies = Connection(replies_fd, readable=False)
    jobs: queue.SimpleQueue[bytes] = queue.SimpleQueue()
    source = Connection(jobs_fd, writable=False)
    threading.Thread(target=read_jobs, args=(source, jobs), daemon=True).start()

    def reply(message: dict[str, Any]) -> None:
        replies.send_bytes(json.dumps(message).encode())

    start = pickle.loads(jobs.get())
    sys.path[:] = start["path"]
    limit_memory(start["memory"])
    try:
        verifier: Verifier = pickle.loads(start["verifier"])
        verifier.warm()
    except BaseException as error:
        own = getattr(error, "says_where", False)
        reply({"failed": str(error) if own else "\n" + traceback.format_exc(limit=-3)})
        raise
    reply({"ready": True})
    while True:
        job = jobs.get()
        reply({"taken": True, "busy": time.process_time()})
        for unit in pickle.loads(job):
            began = time.perf_counter()
            verdicts, usable = _judge(verifier, unit)
            seconds = time.perf_counter() - began
            busy = time.process_time()
            reply({"verdicts": verdicts, "seconds": seconds, "busy": busy, "ends": not usable})
            if not usable:
                os._exit(0)
