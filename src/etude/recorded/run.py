"""One command as it was recorded: its members, their stages, and what each of them measured."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from etude.config.evaluations import MAIN
from etude.launch.seeing import asked
from etude.plan import layout
from etude.plan.nodes import own_overrides


@dataclass(frozen=True)
class MemberStage:
    """A stage as one member of a run has it.

    ``before`` and ``after`` map the name of an evaluation (``main``, ``ood``) to the fingerprint of
    the measurement of the model it starts from, and of its own.
    """

    name: str
    fingerprint: str
    before: Mapping[str, str] = field(default_factory=dict)
    after: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Member:
    """One member of a sweep, or the only one of a run.

    ``overrides`` are those that were typed, ``own`` those that not every member of the run has.
    """

    number: int
    overrides: tuple[str, ...]
    own: tuple[str, ...]
    stages: tuple[MemberStage, ...]

    @property
    def seed(self) -> str:
        """Return its seed as it was typed; empty where it was not."""
        return self.values.get("seed", "")

    @property
    def values(self) -> dict[str, str]:
        """Return what was typed by key; the last of a key counts, as in the command."""
        pairs = (each.partition("=") for each in self.overrides)
        return {key.lstrip("+"): value for key, _, value in pairs}


@dataclass(frozen=True)
class Run:
    """One command in its folder.

    ``damage`` says which of its files cannot be read. ``measured`` are evaluations of a run that
    trains nothing, by fingerprint.
    """

    folder: Path
    members: tuple[Member, ...]
    measured: Mapping[str, str] = field(default_factory=dict)
    state: str = ""
    problems: tuple[str, ...] = ()
    damage: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """Return the name of its folder."""
        return self.folder.name

    @property
    def outputs(self) -> Path:
        """Return the folder that its stages and evaluations lie in."""
        return self.folder.parent.parent

    @cached_property
    def environment(self) -> Mapping[str, Any]:
        """Return the versions and the machine it began with; empty where that is not recorded."""
        return layout.read_json(self.folder / layout.ENVIRONMENT) or {}


def read(folder: Path) -> Run:
    """Return the run in a folder, from its plan or else from its result."""
    found = asked.read(folder)
    if found.runs:
        overrides = [run.overrides for run in found.runs]
        stages = [[_of_view(view) for view in run.stages] for run in found.runs]
    else:
        listed = found.result.get("runs") or []
        overrides = [tuple(entry["overrides"]) for entry in listed]
        stages = [[_of_result(stage) for stage in entry["stages"]] for entry in listed]
    own = own_overrides(overrides)
    alone = [] if any(stages) else [p for p in found.pieces.values() if not p.is_stage]
    return Run(
        folder,
        tuple(
            Member(number, tuple(all_of), tuple(some), tuple(each))
            for number, (all_of, some, each) in enumerate(
                zip(overrides, own, stages, strict=True), 1
            )
        ),
        {piece.fingerprint: piece.name for piece in alone},
        str(found.result.get("state") or ""),
        tuple(found.result.get("problems") or ()),
        found.damage,
    )


def _of_view(view: Any) -> MemberStage:
    before = {each.name: each.before for each in view.evaluations if each.before}
    after = {each.name: each.after for each in view.evaluations if each.after}
    return MemberStage(view.name, view.stage, before, after)


def _of_result(entry: Mapping[str, Any]) -> MemberStage:
    sides = {MAIN: entry, **(entry.get("others") or {})}
    before = {name: side["before"]["fingerprint"] for name, side in sides.items() if side["before"]}
    after = {name: side["after"]["fingerprint"] for name, side in sides.items() if side["after"]}
    return MemberStage(entry["name"], entry["fingerprint"], before, after)
