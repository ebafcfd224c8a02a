"""What the stages of a run are given by others: every reference of their configs, read by name."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from etude.config import evaluations
from etude.config.overlay import STAGE_GROUPS
from etude.config.sharing import ByIdentity
from etude.plan.by_name import Alone, ByName, Misfit, StageLike, keeps
from etude.plan.contents import Contents
from etude.plan.nodes import START, stages_of
from etude.plan.outputs import Outputs
from etude.plan.places import Places
from etude.plan.references import Input
from etude.plan.sources_read import SourcesRead
from etude.schema import Schema

#: The nodes of a config that its references depend on.
_READ = (*STAGE_GROUPS, "sources")


@dataclass(frozen=True)
class Given:
    """The inputs of one stage by config path: those it trains on, and those it is measured on.

    The latter are those of each of its evaluations, by their names.
    """

    trained: Mapping[str, Input] = field(default_factory=dict)
    evaluations: Mapping[str, Mapping[str, Input]] = field(default_factory=dict)

    @property
    def measured(self) -> dict[str, Input]:
        """Return what all evaluations of the stage are given."""
        return {path: value for each in self.evaluations.values() for path, value in each.items()}

    @property
    def all(self) -> dict[str, Input]:
        """Return everything that the stage is given."""
        return {**self.trained, **self.measured}


class Inputs:
    """Reads the references of runs; what configs share is looked at once."""

    def __init__(self, places: Places, outputs: Outputs) -> None:
        self._places = places
        self._outputs = outputs
        self._found: ByIdentity[tuple[dict[str, Given], list[Misfit]]] = ByIdentity()

    def of(
        self, stages: Sequence[StageLike], left_out: Collection[str] = ()
    ) -> tuple[dict[str, Given], list[Misfit]]:
        """Return stage → what it is given, stages by their names, and every misfit.

        A reference that is a misfit is left out. ``left_out`` are stages that are described and
        not in the pipeline.
        """
        nodes = [stage.config.get(key) for stage in stages for key in _READ]
        marks = tuple(
            (one.name, one.learner, one.start_from, keeps(one), *one.after, *one.renamed.items())
            for one in stages
        )
        read = partial(self._read, stages, left_out)
        return self._found.of(read, *nodes, also=(marks, *left_out))

    def _read(
        self, stages: Sequence[StageLike], left_out: Collection[str]
    ) -> tuple[dict[str, Given], list[Misfit]]:
        outputs = {stage.name: self._outputs.of(stage) for stage in stages}
        run = ByName({stage.name: stage for stage in stages}, outputs, left_out)
        given = {
            stage.name: Given(
                {START: run.start(stage.name)}
                | run.resolved(stage, self._places.trained_on(stage)),
                {
                    name: run.resolved(stage, self._places.measured_on(stage, name))
                    for name in evaluations.views(stage.config)
                },
            )
            for stage in stages
        }
        waits = {
            stage.name: {*stage.after, *stages_of(given[stage.name].trained)} & given.keys()
            for stage in stages
        }
        circles = _circles(stages, waits)
        late = [] if circles else _too_late(stages, given, waits)
        return given, list(dict.fromkeys([*run.misfits, *circles, *late]))


def _too_late(
    stages: Sequence[StageLike], given: Mapping[str, Given], waits: Mapping[str, set[str]]
) -> list[Misfit]:
    """Return a misfit for everything that is measured on and comes after what is measured."""
    measured = {name: set(stages_of(each.measured)) for name, each in given.items()}

    def rests_on(name: str, other: str) -> bool:
        seen, waiting = set[str](), [name]
        while waiting:
            each = waiting.pop()
            if each == other:
                return True
            if each not in seen:
                seen.add(each)
                waiting += waits[each] | measured[each]
        return False

    return [
        Misfit(stage.name, *_late(place, late, stage.name))
        for stage in stages
        if measured[stage.name]
        for place, value in given[stage.name].measured.items()
        for late in stages_of({place: value})
        if rests_on(late, stage.name)
    ]


def _late(place: str, late: str, stage: str) -> tuple[str, str]:
    """Return where a stage that is still to come is named to measure on, and why that cannot be."""
    comes = "comes after the stage that is measured" if late != stage else "is the stage itself"
    why = f"{late}, which {comes}: there is nothing of it yet."
    group, name, *_ = place.split(".")
    if group == "sources":
        return f"data_mix.held_out.{name}", f"holds out rows of {why}"
    return place, f"is an output of {why}"


def _circles(stages: Sequence[StageLike], waits: Mapping[str, set[str]]) -> list[Misfit]:
    """Return one misfit for each circle among what stages wait for."""
    found: list[Misfit] = []
    done: set[str] = set()

    def visit(name: str, path: list[str]) -> None:
        if name in path:
            circle = [*path[path.index(name) :], name]
            done.update(circle)
            found.append(Misfit(name, "after", f"waits for itself: {' → '.join(circle)}."))
            return
        if name in done:
            return
        for other in sorted(waits[name]):
            visit(other, [*path, name])
        done.add(name)

    for stage in stages:
        visit(stage.name, [])
    return found


def reader_of(schema: Schema, sources: SourcesRead | None = None) -> Inputs:
    """Return a reader of the references of runs."""
    return Inputs(Places(schema, sources or SourcesRead()), Outputs(schema))


def measured_beside(
    config: dict[str, Any], schema: Schema, contents: Contents
) -> dict[str, dict[str, Input]]:
    """Return what evaluations of their own are given beside the model, by name and place."""
    given, _ = reader_of(schema).of([Alone(config)])
    return {
        name: {
            evaluations.in_view(place, name): tuple(contents.of(each) for each in value)
            if isinstance(value, tuple)
            else contents.of(value)
            for place, value in beside.items()
        }
        for name, beside in given[Alone.name].evaluations.items()
    }
