"""A run's state as lines of text: failures with their causes first, equal things together."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from etude.launch.seeing.seen import LIVE, STATES, Seen
from etude.plan.quantities import counted, duration

#: Stages up to which a run is shown stage by stage in its order.
SMALL = 16

#: Failed and running stages of a larger run that are shown one by one.
FAILED_SHOWN = 20
RUNNING_SHOWN = 10

#: Members of a group that are still shown one by one, and values that stand for a group.
_FEW = 3
_VALUES = 6

# What tells one stage or job from its like: the head of a fingerprint, the id of a job.
_ONE_OF_MANY = re.compile(r"-[0-9a-f]{4}\b| \(job [\d_]+\)| \d+_\d+\b")

# States whose pieces tell each how to go on, and those for which it is told once.
_EXPLAINED = frozenset({"failed", "stopped", "vanished"})
_TAKEN_UP = frozenset({"cancelled", "blocked"})

_ORDER = (
    "failed",
    "vanished",
    "stopped",
    "cancelled",
    "blocked",
    "running",
    "waiting",
    "queued",
    "unsubmitted",
    "done",
)


@dataclass(frozen=True)
class RunState:
    """One run as it stands: its name, its pieces, and what is worth a note.

    ``resume`` is the command that goes on, empty where it is the command that began the run
    (``goes_on`` is False where that begins anew);
    ``is_over`` says that the process of a run of this machine has ended, ``results`` are the lines
    of its table.
    """

    name: str
    folder: str
    seen: tuple[Seen, ...]
    notes: tuple[str, ...] = ()
    resume: str = ""
    problems: tuple[str, ...] = ()
    is_over: bool = False
    results: tuple[str, ...] = ()
    goes_on: bool = True

    @property
    def stages(self) -> tuple[Seen, ...]:
        """Return its stages without evaluations that stand alone."""
        return tuple(each for each in self.seen if each.is_stage)

    @property
    def counts(self) -> dict[str, int]:
        """Return how many pieces are in each state that occurs."""
        counted_states = Counter(each.state for each in self.seen)
        return {state: counted_states[state] for state in STATES if counted_states[state]}

    @property
    def headline(self) -> str:
        """Return ``2026-11-21-sweep-77aa   12 stages: 7 done, 3 running, 2 failed``."""
        totals = ", ".join(f"{amount} {state}" for state, amount in self.counts.items())
        stages = len(self.stages)
        alone = len(self.seen) - stages
        amounts = [counted(stages, "stage")] if stages or not alone else []
        if alone:
            amounts.append(counted(alone, "evaluation"))
        return f"{self.name}   {' and '.join(amounts)}{f': {totals}' if totals else ''}"

    def lines(self, everything: bool = False) -> Iterator[str]:
        """Yield the run in words: a headline, notes, then its pieces; large runs in groups."""
        yield self.headline
        yield from (f" note: {note}" for note in self.notes)
        if everything or len(self.seen) <= SMALL:
            for each in self.seen:
                yield from self.one(each)
        else:
            for state in _ORDER:
                yield from self._of_state([each for each in self.seen if each.state == state])
        problems = [text for each in self.seen for text in each.problems]
        yield from (f" {text}" for text in dict.fromkeys([*problems, *self._told()]))
        yield from self.results
        states = {each.state for each in self.seen}
        taken_up = states & _TAKEN_UP or ("unsubmitted" in states and not states & LIVE)
        if self.resume and taken_up and not states & _EXPLAINED:
            yield f" goes on with: {self.resume}"

    def _told(self) -> Iterator[str]:
        """Yield what the run said at its end and no piece says: gates and evaluations."""
        for text in self.problems:
            first = text.partition("\n")[0]
            if not first.startswith("stage "):
                yield first

    def _of_state(self, seen: Sequence[Seen]) -> Iterator[str]:
        """Yield the pieces of one state, those of interest one by one up to a limit."""
        if not seen:
            return
        limit = {"failed": FAILED_SHOWN, "running": RUNNING_SHOWN}.get(seen[0].state, 0)
        for each in seen[:limit]:
            yield from self.one(each)
        groups: dict[tuple[str, str], list[Seen]] = {}
        for each in seen[limit:]:
            groups.setdefault((each.name, _cause(each)), []).append(each)
        for group in groups.values():
            if len(group) <= _FEW:
                for each in group:
                    yield from self.one(each)
            else:
                yield _group(group)
        if len(seen) > limit > 0:
            yield f"   each of them: etude status {self.short} --all"

    @property
    def short(self) -> str:
        """Return the last part of its name, which the commands take too."""
        return self.name.rpartition("-")[2]

    def one(self, seen: Seen) -> Iterator[str]:
        """Yield one piece: a line, and what a person needs next below it."""
        own = line(seen)
        if seen.state in ("failed", "stopped") and not self.resume and self.goes_on:
            again = f"Goes on {_from(seen)} when the same command is run again"
            own += f". {again}" + (f"; {seen.hint} may help" if seen.hint else "")
        yield f" {own}" + (f" · {seen.models}" if seen.models else "")
        if seen.state == "running":
            if seen.log:
                yield f"   log {shown(seen.log)}"
            return
        if seen.state not in _EXPLAINED:
            return
        if not self.resume:
            return
        if seen.log:
            yield f"   log {shown(seen.log)}"
        command = " ".join(part for part in (self.resume, seen.hint) if part)
        yield f"   goes on {_from(seen)}: {command}"


def _from(seen: Seen) -> str:
    return f"from step {seen.resumes_from}" if seen.resumes_from else "from its beginning"


def line(seen: Seen) -> str:
    """Return what a person needs to know of a piece, in one line."""
    head = f"{seen.head}  {' '.join(seen.overrides)}".rstrip()
    by = f" (by run {seen.run})" if seen.run else ""
    cause = (seen.cause.splitlines() or [""])[0].rstrip(".")
    if seen.state == "done":
        return f"{head}  done" + (f"  {counted(seen.steps, 'step')}" if seen.is_stage else "")
    told = f"{head}  {seen.state.upper()}{by}"
    if seen.state == "running":
        return f"{told}  {', '.join(_running(seen))}".rstrip()
    if seen.state in ("failed", "stopped"):
        return f"{told}  {_at(seen)}{f': {cause}' if cause else ''}"
    if seen.state == "cancelled" and seen.resumes_from:
        cause += f"; step {seen.resumes_from}/{seen.steps} is kept"
    return f"{told} {cause}".rstrip() + (f" (job {seen.job})" if seen.job else "")


def _at(seen: Seen) -> str:
    """Return where an attempt ended: ``attempt 2, step 412/3000 on n014, rank 3``."""
    parts = [f"attempt {seen.attempt}, step {seen.step}/{seen.steps}"] if seen.attempt else []
    if seen.job:
        parts.append(f"job {seen.job}")
    text = ", ".join(parts)
    text += f" on {seen.node}" if seen.node and seen.job else ""
    return text + (f", rank {seen.rank}" if seen.rank is not None else "")


def _running(seen: Seen) -> Iterator[str]:
    if seen.attempt:
        yield f"attempt {seen.attempt}"
    if seen.cause:
        yield seen.cause
    elif seen.attempt:
        yield f"step {seen.step}/{seen.steps}"
    if seen.figure:
        yield seen.figure
    if seen.left is not None:
        yield f"{duration(seen.left)} left"
    if seen.silent is not None:
        yield f"no step for {duration(seen.silent)}"
    place = f"job {seen.job}" if seen.job else ""
    place += f" on {seen.node}" if seen.node else ""
    if place:
        yield place.strip()


def _group(group: Sequence[Seen]) -> str:
    """Return one line for pieces of one name, state and cause."""
    first = group[0]
    cause = _cause(first)
    text = f" {first.name}  {len(group):,} {first.state.upper()}"
    text += f"{': ' if first.state in ('failed', 'stopped') else ' '}{cause}" if cause else ""
    return f"{text}  {_values(group)}".rstrip()


def _cause(seen: Seen) -> str:
    """Return why a piece is as it is, whichever of many stages or jobs of a kind it names."""
    if seen.state == "running":
        return ""
    return _ONE_OF_MANY.sub("", seen.cause.partition("\n")[0]).rstrip()


def _values(group: Iterable[Seen]) -> str:
    """Return the overrides of a group, values together: ``objective=grpo,rloo seed=1,2,3``."""
    values: dict[str, dict[str, None]] = {}
    for each in group:
        for override in each.overrides:
            key, _, value = override.partition("=")
            values.setdefault(key, {})[value] = None
    parts = []
    for key, known in values.items():
        some = ",".join(list(known)[:_VALUES])
        more = f",… ({len(known)} values)" if len(known) > _VALUES else ""
        parts.append(f"{key}={some}{more}")
    return " ".join(parts)


def shown(path: str) -> str:
    """Return a path as one would type it here: relative where it lies below this folder."""
    here = os.getcwd()  # noqa: PTH109  (compared as text)
    return path[len(here) + 1 :] if path.startswith(f"{here}/") else path
