"""The process that episodes of environments live in: reads commands, and dies with its parent.

It is started as a program of its own, never forked. Answers go back as JSON, so nothing that an
environment did to this process can reach the parent as code. What is printed goes to a log.
"""

from __future__ import annotations

import json
import os
import pickle
import queue
import signal
import sys
import threading
import time
import traceback
from collections.abc import Mapping
from multiprocessing.connection import Connection
from typing import Any

from etude.environment.running import Broken, Running
from etude.verifier.worker import die_with, limit_memory, read_jobs, told


def main(jobs_fd: int, replies_fd: int, parent: int) -> None:
    """Serve the parent until it closes the pipe."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    die_with(parent)
    own = os.getpid()
    # What an environment forks dies with this process, as this process does with its parent.
    os.register_at_fork(after_in_child=lambda: die_with(own))
    replies = Connection(replies_fd, readable=False)
    jobs: queue.SimpleQueue[bytes] = queue.SimpleQueue()
    source = Connection(jobs_fd, writable=False)
    threading.Thread(target=read_jobs, args=(source, jobs), daemon=True).start()

    def reply(message: dict[str, Any]) -> None:
        if os.getpid() != own:  # a child that an environment forked, and that came back from it
            os._exit(0)
        replies.send_bytes(json.dumps(message).encode())

    start = pickle.loads(jobs.get())
    sys.path[:] = start["path"]
    limit_memory(start["memory"])
    try:
        environments = pickle.loads(start["verifier"]).environments
    except BaseException as error:
        says = getattr(error, "says_where", False)
        reply({"failed": str(error) if says else "\n" + traceback.format_exc(limit=-3)})
        raise
    reply({"ready": True})
    running: dict[int, Running] = {}
    while True:
        job = jobs.get()
        reply({"taken": True})
        for command in pickle.loads(job):
            began = time.perf_counter()
            found = _done(command, environments, running)
            reply({"found": found, "seconds": time.perf_counter() - began})


def _done(
    command: Mapping[str, Any], environments: Mapping[str, Any], running: dict[int, Running]
) -> dict[str, Any]:
    """Return what comes of a command; whatever an environment raises is its episode's outcome."""
    key, what = command["key"], command["what"]
    try:
        if what in ("describe", "reset", "restore"):
            made = environments[command["environment"]].make()
            running[key] = Running(made, command["seed"], command["most"], command["tools"])
        one = running[key]
        match what:
            case "describe":
                return {"tools": running.pop(key).schemas}
            case "reset":
                return one.reset(command["columns"])
            case "restore":
                return one.restore(command["columns"], command["state"], command["asked"])
            case "turn":
                return one.turn(command["calls"], command["text"])
            case "finish":
                return one.finish(command["messages"])
            case _:
                return running.pop(key).close()
    except MemoryError as error:
        traceback.clear_frames(error.__traceback__)  # what filled the memory is in them
        return {"broken": "MemoryError"}
    except BaseException as error:  # the edge: it is the outcome of this episode, and of no other
        running.pop(key, None)
        return {"broken": (str(error) if isinstance(error, Broken) else told(error))[:500]}
