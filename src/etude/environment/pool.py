"""Worker processes that episodes live in, from the side of the stage.

They are those of verifiers (:mod:`etude.verifier.worker_process`): spawned, killable, gone with
their parent. Several episodes share one. An episode that takes too long, or that its process dies
of, is broken; the others of that process are gone on with in a fresh one, from their last state
where they have one, or played again from their seeds: what they said before they have to say again.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from multiprocessing.connection import wait
from typing import Any

from etude.environment.descendants import end_descendants
from etude.environment.interface import Environment
from etude.errors import StageError
from etude.verifier.worker_process import START_LIMIT, Worker, ending

_MODULE = "etude.environment.worker"

#: Seconds that describing tools may take: transformers is imported for it.
_DESCRIBED = 120.0


@dataclass(frozen=True)
class Sent:
    """What a worker is sent: the environments by name, and how much memory it may take, in MiB."""

    environments: Mapping[str, Environment]
    memory: int


@dataclass(eq=False)
class Begun:
    """An episode that has begun: where it lives, and what it was told so far.

    ``home`` is the number of the worker it lives in. ``broken`` says what became of it where it
    came to no end, ``late`` that it ran out of time.
    """

    key: int
    environment: str
    seed: int
    columns: Mapping[str, Any]
    most: int
    tools: list[dict[str, Any]] | None = None
    home: int = -1
    told: list[tuple[dict[str, Any], str]] = field(default_factory=list)
    state: Any = None
    broken: str = ""
    late: bool = False
    seconds: float = 0.0

    @property
    def title(self) -> str:
        """Return what messages call its environment."""
        own = "" if self.environment == "environment" else f" {self.environment}"
        return f"the environment{own}"

    def head(self, what: str, **more: Any) -> dict[str, Any]:
        """Return a command that makes its object anew."""
        own = {"environment": self.environment, "seed": self.seed, "columns": dict(self.columns)}
        own |= {"most": self.most, "tools": self.tools}
        return {"what": what, "key": self.key, **own, **more}


@dataclass(eq=False)
class _Item:
    """A command to a worker, and what came of it; ``expects`` is what it has to say again."""

    episode: Begun
    command: dict[str, Any]
    expects: str | None = None
    again: bool = False
    found: dict[str, Any] | None = None


class EnvironmentPool:
    """Some workers, started when they are needed; ``seconds`` is how long they were waited for."""

    def __init__(self, sent: Sent, workers: int) -> None:
        self._sent = sent
        self._slots: list[Worker | None] = [None] * max(1, workers)
        self._homes: dict[int, int] = {}  # worker of a slot → its number, another for each start
        self._started = 0
        self._next = 0
        self.seconds = 0.0
        self.broken = 0

    def begin(
        self,
        environment: str,
        seed: int,
        columns: Mapping[str, Any],
        most: int,
        tools: list[dict[str, Any]] | None = None,
    ) -> Begun:
        """Return an episode that is not reset yet; ``tools`` are those it has, as described."""
        self._next += 1
        return Begun(self._next, environment, seed, columns, most, tools)

    def describe(self, environment: str) -> list[dict[str, Any]]:
        """Return the descriptions of an environment's tools; raises StageError for none it has."""
        one = self.begin(environment, 0, {}, 0)
        found = self.ask([(one, one.head("describe"))], _DESCRIBED)[0]
        if found is None:
            raise StageError(f"{one.title} cannot be used: {one.broken}")
        tools: list[dict[str, Any]] = found["tools"]
        return tools

    def ask(
        self, asked: Sequence[tuple[Begun, dict[str, Any]]], seconds: float
    ) -> list[dict[str, Any] | None]:
        """Give each of some episodes a command; return what comes of them, None of broken ones.

        Each command has so many ``seconds``. Raises StageError where no worker can start.
        """
        began = time.perf_counter()
        items = [_Item(episode, {**command, "key": episode.key}) for episode, command in asked]
        waiting: list[deque[_Item]] = [deque() for _ in self._slots]
        for item in items:
            waiting[item.episode.key % len(self._slots)].append(item)
        try:
            while any(waiting) or any(each is not None and each.units for each in self._slots):
                self._hand_out(waiting, seconds)
                self._collect(waiting, seconds)
        except BaseException:
            self.close()
            raise
        finally:
            self.seconds += time.perf_counter() - began
        return [item.found for item in items]

    def close(self) -> None:
        """Kill every worker, and all that environments have started."""
        for slot, worker in enumerate(self._slots):
            if worker is not None:
                self._drop(slot)

    # Within --------------------------------------------------------------------------------

    def _hand_out(self, waiting: list[deque[_Item]], seconds: float) -> None:
        for slot, items in enumerate(waiting):
            worker = self._slots[slot]
            idle = worker is not None and worker.ready and not worker.units
            if worker is not None and idle and worker.process.poll() is not None:
                self._drop(slot)
                worker = None
            if not items:
                continue
            if worker is None:
                worker = self._slots[slot] = Worker.start(self._sent, _MODULE)
                self._started += 1
                self._homes[slot] = self._started
            if worker.ready and not worker.units:
                given = [each for item in items for each in self._ready(item, slot)]
                items.clear()
                if not given:
                    continue
                worker.units = deque(given)
                worker.taken = False
                worker.deadline = time.monotonic() + seconds
                worker.send([each.command for each in given])

    def _ready(self, item: _Item, slot: int) -> list[_Item]:
        """Return what has to be said to a worker: what it does not know of an episode before."""
        episode, home = item.episode, self._homes[slot]
        if episode.broken:
            return []
        known, episode.home = episode.home == home, home
        if known or not episode.told:
            return [item]
        if episode.state is not None:
            asked = len(episode.told)
            command = episode.head("restore", state=episode.state, asked=asked)
            return [_Item(episode, command, again=True), item]
        played = [_Item(episode, each, said, again=True) for each, said in episode.told]
        return [*played, item]

    def _collect(self, waiting: list[deque[_Item]], seconds: float) -> None:
        active = [
            (slot, worker)
            for slot, worker in enumerate(self._slots)
            if worker is not None and (worker.units or not worker.ready)
        ]
        if not active:
            return
        left = min(worker.deadline for _, worker in active) - time.monotonic()
        heard = wait([worker.replies for _, worker in active], max(0.0, left))
        for slot, worker in active:
            if worker.replies in heard:
                self._hear(slot, worker, waiting[slot], seconds)
            elif time.monotonic() >= worker.deadline:
                said = f"no answer after {seconds:g} s"
                self._lose(slot, worker, waiting[slot], said, late=True)

    def _hear(self, slot: int, worker: Worker, waiting: deque[_Item], seconds: float) -> None:
        try:
            reply = json.loads(worker.replies.recv_bytes())
        except (EOFError, OSError, ValueError):
            end_descendants(worker.process.pid)
            worker.process.kill()
            died = f"the process {ending(worker.process.wait())}"
            self._lose(slot, worker, waiting, f"{died}. {worker.said()}".strip()[:500])
            return
        if "failed" in reply:
            self._drop(slot)
            raise StageError(f"an environment cannot be opened: {reply['failed'].strip()}")
        if "ready" in reply:
            worker.ready = True
            return
        worker.deadline = time.monotonic() + seconds
        if "taken" in reply:
            worker.taken = True
            return
        item: Any = worker.units.popleft()
        episode: Begun = item.episode
        found = reply["found"]
        episode.seconds += reply["seconds"]
        worker.forget_log()
        if episode.broken:
            return
        if "broken" in found:
            self._break(episode, found["broken"])
            return
        said = hashlib.sha256(json.dumps(found, sort_keys=True).encode()).hexdigest()
        if item.again:
            if item.expects is not None and item.expects != said:
                self._break(episode, "played again from its seed it went another way")
            return
        item.found = found
        if item.command["what"] in ("reset", "turn"):
            episode.told.append((item.command, said))
            episode.state = found.pop("state", None)

    def _lose(
        self, slot: int, worker: Worker, waiting: deque[_Item], said: str, *, late: bool = False
    ) -> None:
        """Settle the episode that a worker died of or hung with; the rest is gone on with."""
        if not worker.ready:
            words = worker.said()
            self._drop(slot)
            why = f"did not start in {START_LIMIT:g} s" if late else f"did not start: {said}"
            raise StageError(f"a worker of environments {why}. {words}".strip())
        units: list[Any] = list(worker.units)
        if units and (worker.taken or late):
            self._break(units[0].episode, said, late=late)
        left = [each for each in units if not each.again and not each.episode.broken]
        waiting.extendleft(reversed(left))
        self._drop(slot)

    def _break(self, episode: Begun, said: str, *, late: bool = False) -> None:
        episode.broken, episode.late = said, late
        self.broken += 1

    def _drop(self, slot: int) -> None:
        worker = self._slots[slot]
        if worker is not None:
            if worker.process.poll() is None:
                end_descendants(worker.process.pid)
            worker.end()
        self._slots[slot] = None
