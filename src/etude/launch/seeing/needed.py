"""What the runs under ``outputs`` need, for whoever wants to delete: who is at work, who refers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from etude.execute.lock import holder
from etude.execute.owner import Owner
from etude.launch import registry, written
from etude.launch.seeing.cluster import Cluster
from etude.launch.slurm import commands
from etude.plan import layout, records
from etude.plan.records import Report, unsaid


@dataclass(frozen=True)
class AtWork:
    """Who works for a run, or will: its jobs in the queue, or a process in words.

    ``certain`` is False where SLURM does not answer and nobody knows that the jobs are over.
    """

    jobs: tuple[str, ...] = ()
    process: str = ""
    certain: bool = True

    @property
    def words(self) -> str:
        """Return it as the end of a sentence: ``has 2 jobs in the queue (812_[0-1])``."""
        if self.process:
            return f"is at work: {self.process}"
        listed = ", ".join(commands.collapsed(self.jobs))
        many = len(self.jobs) > 1
        amount = f"{len(self.jobs)} jobs" if many else "a job"
        return f"{'has' if self.certain else 'may have'} {amount} in the queue ({listed})"


def at_work(folder: Path, outputs: Path, cluster: Cluster) -> AtWork | None:
    """Return who works for the run in a folder, or None where nobody does.

    A job counts until it has left the queue: it reads the run's folder to its very end.
    """
    own = {
        unit: each.job for unit, each in registry.jobs_of(folder).items() if each.run == folder.name
    }
    if own:
        return _with_jobs(folder, own, cluster)
    damage: list[str] = []
    result = layout.read_json(folder / "result.json", records.RESULT, damage.append) or {}
    if not damage:
        if result.get("state") != "running" or result.get("process") is None:
            return None
        owner = Owner.of_json(result["process"])
        if owner.beside(Owner.here()):
            return None if owner.gone() else AtWork(process=str(owner))
    # Of a process elsewhere, or one that is not known, only its leases tell; a machine that was
    # started again has none.
    graph = _graph(folder) or {}
    for fingerprint in (*graph.get("order", ()), *_linked(folder)):
        found = holder(outputs, fingerprint)
        if found is not None:
            return AtWork(process=str(found))
    return None


def _with_jobs(folder: Path, own: Mapping[str, str], cluster: Cluster) -> AtWork | None:
    queue = cluster.queue(folder.stat().st_uid)
    if queue is not None:
        live = tuple(job for job in own.values() if job in queue)
        return AtWork(live) if live else None
    unknown = tuple(job for unit, job in own.items() if not _is_over(folder, unit, job))
    return AtWork(unknown, certain=False) if unknown else None


def _is_over(folder: Path, unit: str, job: str) -> bool:
    about = registry.ended(folder, unit)
    return about is not None and about.get("job") == job and about.get("state") != "requeued"


@dataclass
class References:
    """What runs refer to: by links, in their graphs, and by paths in their configs.

    ``working`` are the fingerprints of runs at work and ``lineages`` those of their stages that may
    go on from another stage of the same lineage. ``unclear`` says of which runs it is not known
    what else they refer to.
    """

    fingerprints: set[str] = field(default_factory=set)
    working: set[str] = field(default_factory=set)
    lineages: dict[str, set[str]] = field(default_factory=dict)
    unclear: list[str] = field(default_factory=list)
    _runs: list[Path] = field(default_factory=list)
    _texts: list[bytes] | None = None

    def add(self, folder: Path, *, working: bool) -> None:
        """Take in a run; links may be missing where a folder was copied."""
        graph = _graph(folder, self.unclear.append) or {}
        own = {*_linked(folder), *graph.get("order", ())}
        self._runs.append(folder)
        self.fingerprints |= own
        if not working:
            return
        self.working |= own
        for fingerprint, stage in graph.get("stages", {}).items():
            if stage.get("extendable"):
                self.lineages.setdefault(stage["lineage"], set()).add(fingerprint)

    def extends(self, folder: Path, fingerprint: str) -> bool:
        """Tell whether a run at work may go on from the checkpoints of this stage."""
        if not self.lineages:
            return False
        about = layout.read_json(folder / layout.STAGE, records.STAGE) or {}
        return bool(self.lineages.get(str(about.get("lineage")), set()) - {fingerprint})

    def mention(self, name: str) -> bool:
        """Tell whether a run names a folder by its path: its model or its rows are read there."""
        if self._texts is None:
            files = [path for run in self._runs for path in _texts_of(run)]
            self._texts = [text for path in files if (text := _text(path)) is not None]
        return any(name.encode() in text for text in self._texts)


def _texts_of(run: Path) -> Iterable[Path]:
    return (*run.glob("config.yaml"), *run.glob("members/*.yaml"), *run.glob("plan/*.json*"))


def _text(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except OSError:
        return None  # said already where it is the graph; the others only repeat what that names


def _graph(folder: Path, report: Report = unsaid) -> dict[str, Any] | None:
    return layout.read_json(folder / written.GRAPH, written.SHAPE, report)


def _linked(folder: Path) -> list[str]:
    return [
        link.readlink().name.rpartition("-")[2]
        for kind in (layout.STAGES, layout.EVALUATIONS)
        for link in (folder / kind).glob("*")
        if link.is_symlink()
    ]
