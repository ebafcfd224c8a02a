"""What a report is about: the members of runs, those that differ by seed alone put together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from etude.config.evaluations import MAIN
from etude.plan.nodes import own_overrides
from etude.recorded.evaluation import Evaluation
from etude.recorded.outputs import Outputs
from etude.recorded.run import Member, Run
from etude.recorded.stage import Stage
from etude.report.tracks import Track, track

#: Typed keys by which members are not told apart: what they do is the same.
_SAME = ("seed", "outputs", "fresh", "name")


@dataclass(frozen=True)
class Entrant:
    """One member of one of the runs; ``own`` is what tells it from the others of the report."""

    run: Run
    member: Member
    own: tuple[str, ...]

    @property
    def label(self) -> str:
        """Return it in a few words: what it alone was asked for, else the name of its run."""
        return " ".join(self.own) or self.run.name


@dataclass(frozen=True)
class Variant:
    """Members that differ by seed alone; ``label`` is what the others were not asked for."""

    label: str
    entrants: tuple[Entrant, ...]

    @property
    def seeds(self) -> int:
        """Return how many members it has."""
        return len(self.entrants)


@dataclass(frozen=True)
class Strand:
    """One curve of a legend: the stages of one name that a variant has, one for each seed."""

    label: str
    stages: tuple[Stage, ...]

    @cached_property
    def tracks(self) -> list[Track]:
        """Return the numbers of its stages by step."""
        return [track(stage.metrics, stage.timing) for stage in self.stages]


@dataclass(frozen=True)
class Side:
    """The evaluation of one name of a stage of one member, before and after."""

    name: str
    before: Evaluation | None
    after: Evaluation | None


@dataclass(frozen=True)
class Gathered:
    """The runs of a report with all that was found of them."""

    outputs: Outputs
    runs: tuple[Run, ...]
    variants: tuple[Variant, ...]
    _strands: dict[str, list[Strand]] = field(default_factory=dict)

    @property
    def entrants(self) -> list[Entrant]:
        """Return the members of all runs."""
        return [entrant for variant in self.variants for entrant in variant.entrants]

    @property
    def compares(self) -> bool:
        """Tell whether there is more than one member."""
        return len(self.entrants) > 1

    @cached_property
    def names(self) -> list[str]:
        """Return the names of the stages, in the order that they are trained in."""
        found: dict[str, None] = {}
        for entrant in self.entrants:
            found |= dict.fromkeys(stage.name for stage in entrant.member.stages)
        return list(found)

    def strands(self, name: str) -> list[Strand]:
        """Return the curves of a stage: one a variant, those of the same stages as one."""
        if name not in self._strands:
            self._strands[name] = self._find(name)
        return self._strands[name]

    def _find(self, name: str) -> list[Strand]:
        by_stages: dict[tuple[str, ...], list[str]] = {}
        for variant in self.variants:
            prints = tuple(
                dict.fromkeys(
                    stage.fingerprint
                    for entrant in variant.entrants
                    for stage in entrant.member.stages
                    if stage.name == name
                )
            )
            if prints:
                by_stages.setdefault(prints, []).append(variant.label)
        found = []
        for prints, labels in by_stages.items():
            stages = [self.outputs.stage(each, name) for each in prints]
            there = tuple(stage for stage in stages if stage is not None)
            if there:
                found.append(Strand(_joined(labels, len(self.variants)), there))
        return found

    def stages(self) -> list[Stage]:
        """Return every stage once, in the order that they are trained in."""
        every = (
            stage for name in self.names for strand in self.strands(name) for stage in strand.stages
        )
        return list({stage.fingerprint: stage for stage in every}.values())

    def sides(self, entrant: Entrant, name: str) -> list[Side]:
        """Return the evaluations of a member's stage, main first; only those that were made."""
        stage = next((each for each in entrant.member.stages if each.name == name), None)
        if stage is None:
            return []
        found = []
        for of in dict.fromkeys([MAIN, *stage.after, *stage.before]):
            before = self._measured(stage.before.get(of))
            after = self._measured(stage.after.get(of))
            if before is not None or after is not None:
                found.append(Side(of, before, after))
        return found

    def alone(self) -> list[Evaluation]:
        """Return the evaluations of runs that train nothing."""
        every = (self._measured(key) for run in self.runs for key in run.measured)
        return [each for each in every if each is not None]

    def _measured(self, fingerprint: str | None) -> Evaluation | None:
        return None if fingerprint is None else self.outputs.evaluation(fingerprint)


def _joined(labels: Sequence[str], of: int) -> str:
    if len(labels) == of:
        return "all" if of > 1 else labels[0]
    return " · ".join(labels) if len(labels) < 4 else f"{labels[0]} and {len(labels) - 1} others"


def gather(outputs: Outputs, runs: Sequence[Run]) -> Gathered:
    """Return what a report of some runs is about."""
    pairs = [(run, member) for run in runs for member in run.members]
    own = own_overrides([_telling(member) for _, member in pairs])
    entrants = [
        Entrant(run, member, tuple(mine)) for (run, member), mine in zip(pairs, own, strict=True)
    ]
    grouped: dict[tuple[Any, ...], list[Entrant]] = {}
    for entrant in entrants:
        key = tuple(each for each in entrant.own if each.partition("=")[0] != "seed")
        # Of several runs those that were asked for the same are alike, but for a second seed.
        grouped.setdefault((key, _shape(entrant.member)), []).append(entrant)
    variants = []
    for (key, _), each in grouped.items():
        label = " ".join(key) or (each[0].label if len(each) == 1 else each[0].run.name)
        variants.append(Variant(label, tuple(each)))
    return Gathered(outputs, tuple(runs), tuple(variants))


def _telling(member: Member) -> list[str]:
    aside = _SAME[1:]
    return [each for each in member.overrides if each.partition("=")[0] not in aside]


def _shape(member: Member) -> tuple[str, ...]:
    return tuple(stage.name for stage in member.stages)


def value_of(metric: Any) -> float | None:
    """Return the value of an evaluation's metric, None where it has none."""
    found = metric.get("value") if isinstance(metric, Mapping) else metric
    return float(found) if isinstance(found, (int, float)) else None
