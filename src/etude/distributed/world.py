"""The processes that train one stage together, and what they tell each other.

Importing this costs nothing: torch is loaded when a world of several processes is joined.
"""

from __future__ import annotations

import atexit
import datetime
import gc
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any, NoReturn, TypeVar

from etude.errors import MeetingError, StageError

Item = TypeVar("Item")

#: Seconds that a process waits for the others to come.
MEETING = 1800.0

#: Seconds that a process waits for the others in one exchange. That they hang is for the watchdog
#: of a stage to find, which can be set and tells where; this is for what nobody watches.
PATIENCE = 86400.0

_RENDEZVOUS = ("MASTER_ADDR", "MASTER_PORT")


@dataclass(frozen=True)
class World:
    """The processes that train one stage: which of them this is, and exchanges between them.

    Every method is a meeting: all processes call the same ones in the same order. In a world of one
    they return at once and ``torch.distributed`` is untouched.
    """

    rank: int = 0
    size: int = 1
    local_rank: int = 0

    @property
    def is_main(self) -> bool:
        """Return whether this process owns what is written once."""
        return self.rank == 0

    @property
    def is_alone(self) -> bool:
        """Return whether there is no other process."""
        return self.size == 1

    def gather(self, mine: Item) -> list[Item]:
        """Return what every process gave, in the order of their ranks; the same list for all."""
        if self.is_alone:
            return [mine]
        _refuse_if_left()
        from torch import distributed

        found: list[Any] = [None] * self.size
        distributed.all_gather_object(found, mine)
        return found

    def broadcast(self, mine: Item) -> Item:
        """Return what the first process gave; what the others gave is not looked at."""
        if self.is_alone:
            return mine
        _refuse_if_left()
        from torch import distributed

        held: list[Any] = [mine if self.is_main else None]
        distributed.broadcast_object_list(held, src=0)
        return held[0]

    def any(self, flag: bool) -> bool:
        """Return whether any process gave True."""
        return any(self.gather(flag))

    def first(self, said: str) -> str:
        """Return the first text that is not empty, by rank; empty when all are."""
        return next((text for text in self.gather(said) if text), "")

    def barrier(self) -> None:
        """Wait until every process is here."""
        self.gather(None)

    def share(self, items: Sequence[Item]) -> list[Item]:
        """Return the items that are this process's to work on: every ``size``-th from its rank."""
        return list(items[self.rank :: self.size])

    def collect(self, mine: Sequence[Item]) -> list[Item]:
        """Return the results of all for the items that :meth:`share` dealt out, in their order.

        ``mine`` holds one result for each item of this process.
        """
        return self.merged(self.gather(list(mine)))

    def merged(self, hands: Sequence[Sequence[Item]]) -> list[Item]:
        """Return what every process has made of the items dealt to it, in the items' order.

        This one is no meeting.
        """
        if self.is_alone:
            return list(hands[0])
        whole: list[Any] = [None] * sum(len(hand) for hand in hands)
        for rank, hand in enumerate(hands):
            whole[rank :: self.size] = hand
        return whole


_current = World()
_left = ""


def current() -> World:
    """Return the world this process has joined; a world of one otherwise."""
    return _current


def leave(why: str) -> None:
    """Take no part in any further meeting: this process is to end, as it fell out of step.

    What it would say would be taken for the answer to another question. The end of the process
    tells the others.
    """
    global _left
    if not _current.is_alone:
        _left = _left or why


def has_left() -> bool:
    """Return whether this process takes no part any more."""
    return bool(_left)


def end(code: int) -> NoReturn:
    """End this process with an exit code; one that was a rank takes nothing apart any more.

    Threads of gloo and NCCL may still run when the interpreter goes, and abort a process whose work
    is done (seen in two of some seventy ranks), or wait for ranks that are gone.
    """
    if os.environ.get("WORLD_SIZE", "1") == "1":
        sys.exit(code)
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        # On a full disk the last lines of a log are lost, and not the code that SLURM is to see.
        with suppress(OSError):
            stream.flush()
    os._exit(code)


def _refuse_if_left() -> None:
    if _left:
        raise StageError(f"this process no longer works together with the others: {_left}")


def announced() -> World:
    """Return the world that the environment speaks of (``RANK``, ``WORLD_SIZE``, ``LOCAL_RANK``).

    torchrun sets them; a job on a cluster sets them before it starts. Raises StageError when they
    contradict each other.
    """
    size = _number("WORLD_SIZE", 1)
    if size == 1:
        return World()
    world = World(_number("RANK", None), size, _number("LOCAL_RANK", 0))
    if not 0 <= world.rank < size:
        raise StageError(
            f"RANK={world.rank} and WORLD_SIZE={size} cannot both be: ranks go from 0 to {size - 1}"
        )
    lacking = [name for name in _RENDEZVOUS if not os.environ.get(name)]
    if lacking:
        raise StageError(
            f"WORLD_SIZE={size} says that {size} processes work together, and they cannot meet "
            f"without {' and '.join(lacking)}; start them with torchrun, or unset WORLD_SIZE"
        )
    return world


@contextmanager
def joined(*, meeting: float = MEETING, patience: float = PATIENCE) -> Iterator[World]:
    """Join the world that the environment speaks of for the block, and make it the current one.

    Processes meet through gloo, tensors on GPUs through NCCL; each takes the GPU of its local rank.
    ``meeting`` is how many seconds a process waits for the others to come, ``patience`` how many in
    one exchange. Inside another :func:`joined`, and alone, nothing is done. Raises MeetingError
    when they cannot meet.
    """
    global _current, _left
    world = announced()
    if not _current.is_alone or world.is_alone:
        yield _current
        return
    _meet(world, meeting, patience)
    _current, _left = world, ""
    try:
        yield world
        # After an error nothing is closed in order: others may be stuck in an exchange that only
        # the end of this process breaks off.
        if not _left:
            _part(world)
    finally:
        _current, _left = World(), ""


def _meet(world: World, meeting: float, patience: float) -> None:
    import torch
    from torch import distributed
    from torch.distributed.rendezvous import rendezvous

    backend = "gloo"
    if torch.cuda.is_available():
        backend = "cpu:gloo,cuda:nccl"
        # A launcher may show each process its own GPU alone.
        torch.cuda.set_device(world.local_rank % torch.cuda.device_count())
    try:
        # By hand, since the group itself knows one limit for the meeting and the exchanges.
        limit = datetime.timedelta(seconds=meeting)
        store, _, _ = next(rendezvous("env://", world.rank, world.size, timeout=limit))
        distributed.init_process_group(
            backend,
            store=distributed.PrefixStore("default_pg", store),
            rank=world.rank,
            world_size=world.size,
            timeout=datetime.timedelta(seconds=patience),
        )
    except (distributed.DistError, OSError, ValueError) as error:
        where = ":".join(os.environ[name] for name in _RENDEZVOUS)
        raise MeetingError(
            f"rank {world.rank} of {world.size} could not meet the others at {where} "
            f"(MASTER_ADDR:MASTER_PORT) within {meeting:g} s: {error}"
        ) from error


def _part(world: World) -> None:
    from torch import distributed

    world.barrier()
    # Sharded models hold on to the connections that end here.
    gc.collect()
    distributed.destroy_process_group()


def _number(name: str, default: int | None) -> int:
    text = os.environ.get(name)
    if not text and default is not None:
        return default
    try:
        return int(text or "")
    except ValueError:
        raise StageError(
            f"the environment variable {name} is {text!r}, and a whole number was expected; "
            "torchrun sets it, and so does a job of several processes"
        ) from None
