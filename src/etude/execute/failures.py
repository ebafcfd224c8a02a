"""Why an attempt failed: what each rank wrote when it did, and which of them was first.

Nothing here imports torch: the files are read long after, by who only looks.
"""

from __future__ import annotations

import time
import traceback
from pathlib import Path
from typing import Any

from etude.distributed.world import World
from etude.execute import atomic
from etude.plan import layout, records
from etude.plan.records import Report, unsaid
from etude.unexpected import cause_of

#: Seconds in which the file of a rank that failed first reaches the others.
SETTLE_SECONDS = 3.0

#: How the line begins that says how a failed stage goes on.
GOES_ON = "The same command goes on "

_LOST = (
    "connection closed by peer",
    "connection reset",
    "gloo",
    "nccl",
    "broken pipe",
    "timed out",
)


def of_rank(attempt: Path, rank: int) -> Path:
    """Return the file in which a rank writes why it failed."""
    return attempt / f"failed.rank{rank}.json"


def about(error: BaseException) -> dict[str, Any]:
    """Return what is written of an error: its text, kind and traceback, and when it was met."""
    return {
        "error": cause_of(error),
        "kind": type(error).__name__,
        "time": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
        "traceback": "".join(traceback.format_exception(error)),
    }


def apart(message: str) -> tuple[str, str]:
    """Return the cause in a stage's failure, and the line on how it goes on (empty: none)."""
    cause, mark, after = message.strip().rpartition(f"\n{GOES_ON}")
    return (cause, GOES_ON + after) if mark else (message.strip(), "")


def lost_another(error: BaseException) -> bool:
    """Tell whether an error only says that another rank is gone: not the cause, but its echo."""
    names = {each.__name__ for each in type(error).__mro__}
    if "DistError" in names:
        return True
    text = str(error).lower()
    return isinstance(error, RuntimeError) and any(word in text for word in _LOST)


def note(attempt: Path, world: World, error: BaseException, what: dict[str, Any]) -> None:
    """Write why this rank failed, before its end brings the others down. Raises StorageError.

    ``what`` is told beside the error; how far the rank was, for one.
    """
    told = {"rank": world.rank, "at": time.time(), "echo": lost_another(error), **what}
    atomic.write_json(of_rank(attempt, world.rank), {**told, **about(error)})


def first_failure(attempt: Path, report: Report = unsaid) -> dict[str, Any] | None:
    """Return what the rank of an attempt wrote that failed first; None where none did.

    It holds ``rank``, ``error``, ``kind`` and ``traceback``. A rank that only lost another one is
    never taken for the first while there is one with a cause of its own.
    """
    found = []
    for path in attempt.glob("failed.rank*.json"):
        number = path.stem.removeprefix("failed.rank")
        if number.isdecimal():
            found.append((int(number), path))
    if all(rank != 0 for rank, _ in found):
        found.append((0, attempt / layout.FAILED))
    told = []
    for rank, path in found:
        content = layout.read_json(path, records.FAILED, report)
        if content is not None:
            at = float(content.get("at") or path.stat().st_mtime)
            told.append((bool(content.get("echo")), at, rank, {**content, "rank": rank}))
    return min(told, key=lambda each: each[:3])[3] if told else None


def settled(attempt: Path, world: World, error: BaseException) -> dict[str, Any]:
    """Return what is told of a failure that this rank has noted: the error of the first to fail.

    Where this rank only lost another, that one's file is waited for a little.
    """
    own = about(error)
    if world.is_alone:
        return own
    echo = lost_another(error)
    ends = time.monotonic() + SETTLE_SECONDS
    first = first_failure(attempt)
    while echo and (first is None or first.get("echo")) and time.monotonic() < ends:
        time.sleep(0.05)
        first = first_failure(attempt)
    if first is None or first["rank"] == world.rank or first.get("echo"):
        if echo:
            own["error"] = (
                "another process of this stage ended without a word (killed, or out of memory?): "
                f"{own['error']}"
            )
        return own
    if first["error"] != own["error"]:
        own |= {name: first[name] for name in ("kind", "traceback") if name in first}
        own |= {"rank": first["rank"], "error": f"rank {first['rank']}: {first['error']}"}
    return own
