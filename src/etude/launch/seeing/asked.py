"""What a run asks for, from its folder: pieces of work, what each waits for, and their jobs."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from etude.errors import StorageError
from etude.execute.owner import Owner
from etude.launch import registry, written
from etude.launch.registry import Submitted
from etude.launch.units import units_of
from etude.plan import layout, records
from etude.plan.nodes import EvaluationNode, Graph, Run, own_overrides


@dataclass(frozen=True)
class Piece:
    """A stage of a run with the evaluations of its model, or an evaluation that stands alone.

    ``overrides`` are what tells it from the others of a sweep; a stage that several members share
    has those that all of them have. ``evaluations`` are (name, fingerprint); ``waits_for`` is what
    a run that ended without it said, ``fresh`` asks to train it again. ``models`` are those it is
    given or trains beside its own, in words.
    """

    name: str
    fingerprint: str
    overrides: tuple[str, ...] = ()
    parents: tuple[str, ...] = ()
    evaluations: tuple[tuple[str, str], ...] = ()
    is_stage: bool = True
    resources: Mapping[str, Any] = field(default_factory=dict)
    waits_for: str = ""
    fresh: bool = False
    models: str = ""

    @property
    def head(self) -> str:
        """Return its name as the commands take it, such as ``rl-3c1e``."""
        return f"{self.name}-{self.fingerprint[:4]}"


@dataclass(frozen=True)
class Asked:
    """A run: its pieces by fingerprint, parents first, and the newest job of each.

    ``damage`` says which of its files cannot be read; ``runs`` are its members where its graph can.
    ``version`` is that of its layout.
    """

    folder: Path
    outputs: Path
    pieces: dict[str, Piece] = field(default_factory=dict)
    jobs: dict[str, Submitted] = field(default_factory=dict)
    launcher: Mapping[str, Any] = field(default_factory=dict)
    result: Mapping[str, Any] = field(default_factory=dict)
    damage: tuple[str, ...] = ()
    runs: tuple[Run, ...] = ()
    version: Any = layout.LAYOUT

    @property
    def name(self) -> str:
        """Return the name of the run's folder."""
        return self.folder.name

    @property
    def short(self) -> str:
        """Return the last part of its name, which the commands take too."""
        return self.name.rpartition("-")[2]

    @property
    def on_cluster(self) -> bool:
        """Tell whether jobs of a cluster do the work."""
        return bool(self.jobs) or self.launcher.get("name") == "slurm"

    @property
    def is_written(self) -> bool:
        """Tell whether its graph was written down, so that it can be taken up again."""
        return bool(self.launcher)

    @property
    def is_over(self) -> bool:
        """Tell whether nobody works on a run of this machine any more, as far as can be seen."""
        if self.on_cluster or not self.result:
            return False
        if self.result.get("state") != "running":
            return True
        process = self.process
        return process is not None and process.beside(Owner.here()) and process.gone()

    def head(self, fingerprint: str) -> str:
        """Return the name of a piece as the commands take it, also of one that is not known."""
        piece = self.pieces.get(fingerprint)
        return fingerprint[:8] if piece is None else piece.head

    @property
    def process(self) -> Owner | None:
        """Return the process that wrote how the run goes, if one did."""
        about = self.result.get("process")
        return Owner.of_json(about) if isinstance(about, dict) else None


def folders_of(outputs: Path) -> list[Path]:
    """Return the folders of the runs under ``outputs``, newest first."""
    parent = outputs / layout.RUNS
    found = [path for path in parent.glob("[!.]*") if path.is_dir()] if parent.is_dir() else []
    return sorted(found, key=lambda path: (path.lstat().st_mtime, path.name), reverse=True)


def matching(outputs: Path, wanted: str) -> list[Path]:
    """Return the runs whose name has ``wanted`` in it; a whole name or its last part comes first.

    Raises StorageError when there is none.
    """
    folders = folders_of(outputs)
    for fits in (
        [path for path in folders if path.name == wanted],
        [path for path in folders if path.name.rpartition("-")[2] == wanted],
        [path for path in folders if wanted in path.name],
    ):
        if fits:
            return fits
    if not folders:
        raise StorageError(
            f"there are no runs under {outputs / layout.RUNS}; where they lie elsewhere, "
            "type --outputs FOLDER"
        )
    known = ", ".join(path.name for path in folders[:5])
    raise StorageError(
        f"no run under {outputs / layout.RUNS} is called '{wanted}'; the newest are {known}"
    )


def the_one(outputs: Path, wanted: str) -> Path:
    """Return the only run of a name. Raises StorageError when there is none or more than one."""
    found = matching(outputs, wanted)
    if len(found) > 1:
        listed = ", ".join(path.name for path in found[:8]) + (" …" if len(found) > 8 else "")
        raise StorageError(f"'{wanted}' fits {len(found)} runs; type more of one name: {listed}")
    return found[0]


def named_or_newest(outputs: Path, wanted: str | None) -> Path:
    """Return the only run of a name, or the newest where none is named. Raises StorageError."""
    newest = folders_of(outputs)[:1] if wanted is None else []
    return newest[0] if newest else the_one(outputs, wanted or "")


def read(folder: Path) -> Asked:
    """Return what the run in ``folder`` asks for.

    Where its graph cannot be read, that is what its result lists.
    """
    damage: list[str] = []
    result = layout.read_json(folder / "result.json", records.RESULT, damage.append) or {}
    jobs = registry.jobs_of(folder, damage.append)
    version = layout.version_of(folder)
    if version != layout.LAYOUT:
        damage.append(written.of_another_version(folder, {"layout": version}))
    elif written.is_written(folder):
        try:
            graph, launcher = written.read(folder, ())
        except StorageError as error:
            damage.append(str(error))
        else:
            asked = _of_graph(folder, graph, result)
            return replace(asked, jobs=jobs, launcher=launcher, damage=tuple(damage))
    elif not result and not damage:
        damage.append("no plan and no result lie there: nothing was begun, or it was deleted")
    asked = _of_result(folder, result)
    return replace(asked, jobs=jobs, damage=tuple(damage), version=version)


def _of_graph(folder: Path, graph: Graph, result: Mapping[str, Any]) -> Asked:
    own = own_overrides([run.overrides for run in graph.runs])
    wanted = _wanted_by(graph.runs)
    pieces = {}
    waits_for = _waits_for(result)
    for fingerprint, unit in units_of(graph).items():
        stage = unit.stage
        measured = [node for node in unit.nodes if isinstance(node, EvaluationNode)]
        pieces[fingerprint] = Piece(
            unit.name,
            fingerprint,
            _shared([own[number] for number in wanted.get(fingerprint, ())]),
            unit.parents,
            tuple((node.name, node.fingerprint) for node in measured),
            is_stage=stage is not None,
            resources=unit.resources,
            waits_for=waits_for.get(fingerprint, ""),
            fresh=stage is not None and stage.fresh,
            models=graph.beside(stage) if stage is not None else "",
        )
    return Asked(folder, graph.outputs, pieces, result=result, runs=tuple(graph.runs))


def _waits_for(result: Mapping[str, Any]) -> dict[str, str]:
    """Return stage → why it did not run, as a run that has failed wrote it down."""
    if result.get("state") != "failed":
        return {}
    return {
        entry["fingerprint"]: entry["waits_for"]
        for member in result.get("runs") or []
        for entry in member["stages"]
        if entry.get("waits_for")
    }


def _wanted_by(runs: Sequence[Run]) -> dict[str, list[int]]:
    """Return node → the numbers of the runs that want it."""
    wanted: dict[str, list[int]] = {}
    for number, run in enumerate(runs):
        own = ((view.stage, *view.measured) for view in run.stages)
        for fingerprint in dict.fromkeys(itertools.chain.from_iterable(own)):
            wanted.setdefault(fingerprint, []).append(number)
    return wanted


def _shared(members: Iterable[Sequence[str]]) -> tuple[str, ...]:
    """Return what all members have, in the order of the first."""
    listed = list(members)
    if not listed:
        return ()
    if len(listed) == 1:
        return tuple(listed[0])
    everywhere = set.intersection(*map(set, listed))
    return tuple(each for each in listed[0] if each in everywhere)


def _measured_in(entry: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield name and fingerprint of every evaluation of a stage in a run's result."""
    sides = [(entry["name"], entry)]
    sides += [(f"{entry['name']}.{of}", each) for of, each in (entry.get("others") or {}).items()]
    for name, each in sides:
        yield from ((name, each[at]["fingerprint"]) for at in ("before", "after") if each.get(at))


def _of_result(folder: Path, result: Mapping[str, Any]) -> Asked:
    """Read a run without a written graph: its result lists the stages of each member."""
    members = result.get("runs") or []
    own = own_overrides([member["overrides"] for member in members])
    pieces: dict[str, Piece] = {}
    sharing: dict[str, list[list[str]]] = {}
    for member, overrides in zip(members, own, strict=True):
        before: list[str] = []
        for entry in member["stages"]:
            fingerprint = entry["fingerprint"]
            sharing.setdefault(fingerprint, []).append(overrides)
            measured = _measured_in(entry)
            pieces[fingerprint] = Piece(
                entry["name"],
                fingerprint,
                _shared(sharing[fingerprint]),
                tuple(before),
                tuple(measured),
                waits_for=entry.get("waits_for") or "",
                models=entry.get("models") or "",
            )
            before.append(fingerprint)
    return Asked(folder, folder.parent.parent, pieces, result=result)
