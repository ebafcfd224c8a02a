"""References read by the names of a run's stages: what each leads to, or why it leads nowhere."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from etude.config.spelling import did_you_mean, listed
from etude.config.states import is_state
from etude.plan.outputs import Learning
from etude.plan.places import Place
from etude.plan.references import (
    DATA,
    MODEL,
    ROLES,
    SAMPLES,
    Base,
    Folder,
    Input,
    Made,
    Reference,
    Start,
    misspelt,
    near_folder,
    output_of,
    parse,
    samples_in,
)

#: What an empty text is told as.
NOTHING = "''"


class StageLike(Learning, Protocol):
    """One resolved stage of a run: see ``config.resolve.StageConfig``."""

    @property
    def name(self) -> str:
        """The stage's name."""

    @property
    def after(self) -> Sequence[str]:
        """The stages it waits for."""

    @property
    def start_from(self) -> str | None:
        """What it starts from, as a reference; None: the predecessor."""

    @property
    def gate(self) -> Mapping[str, Any] | None:
        """The condition on its evaluation."""

    @property
    def renamed(self) -> Mapping[str, str]:
        """The copies that it means by repeated stages; empty where none has run before it."""


@dataclass(frozen=True)
class Misfit:
    """A reference that cannot be: the stage and the path where it is written, and why."""

    stage: str
    path: str
    message: str


@dataclass(frozen=True)
class Alone:
    """A config that is measured under and is no stage of a run."""

    config: dict[str, Any]
    name: str = "evaluate"
    learner: str = ""
    after: tuple[str, ...] = ()
    start_from: str | None = None
    gate: Mapping[str, Any] | None = None
    renamed: Mapping[str, str] = field(default_factory=dict)


class ByName:
    """The stages of one run by name, while their references are read."""

    def __init__(
        self,
        stages: Mapping[str, StageLike],
        outputs: Mapping[str, tuple[str, ...]],
        left_out: Collection[str],
    ) -> None:
        self._stages = stages
        self._outputs = outputs
        self._left_out = left_out
        self._starts: dict[str, Reference] = {}
        self.misfits: list[Misfit] = []
        for stage in stages.values():
            for name in stage.after:
                if name not in stages:
                    known = listed(stages)
                    message = f"names the stage '{name}', which is not in this pipeline ({known})."
                    self.misfits.append(Misfit(stage.name, "after", message))

    def start(self, name: str) -> Reference:
        """Return what a stage starts from; the base model where that cannot be told."""
        if name not in self._starts:
            self._starts[name] = Base()  # what a circle comes back to
            self._starts[name] = self._start(self._stages[name])
        return self._starts[name]

    def _start(self, stage: StageLike) -> Reference:
        if stage.start_from is not None:
            place = Place("start_from", stage.start_from, MODEL)
            return self._resolved(stage, place, stage.start_from) or Base()
        known = [name for name in stage.after if name in self._stages]
        for name in reversed(known):
            if MODEL in self._outputs[name]:
                return Made(name)
        return self.start(known[-1]) if known else Base()

    def resolved(self, stage: StageLike, places: Sequence[Place]) -> dict[str, Input]:
        """Return path → input of the places of a stage."""
        found: dict[str, Input] = {}
        for place in places:
            several = isinstance(place.value, (list, tuple))
            texts = place.value if several else [place.value]
            read = [self._resolved(stage, place, str(text)) for text in texts]
            whole = tuple(each for each in read if each is not None)
            if len(whole) == len(read):
                found[place.path] = whole if several else whole[0]
        return found

    def _resolved(self, stage: StageLike, place: Place, text: str) -> Reference | None:
        """Return what a text of a place means for a stage; None where that is a misfit, or nothing.

        A state that a later round takes up from the one before is nothing in the first.
        """
        try:
            written = self._parsed(stage, place, text)
            return None if written is None else self._meant(stage, place, written)
        except _Unmeant as error:
            self.misfits.append(Misfit(stage.name, place.path, f"is {text or NOTHING}, {error}"))
            return None

    def _parsed(self, stage: StageLike, place: Place, text: str) -> Reference | None:
        if place.wants == SAMPLES:
            samples = samples_in(text)
            if samples is None:
                raise _Unmeant(f"and no samples of an evaluation lie there.{near_folder(text)}")
            return samples
        if isinstance(stage, Alone) and place.wants == DATA:
            raise _Unmeant("and no stage runs here that could write rows; name their file by path.")
        written = parse(text, {*self._stages, *stage.renamed}, place.role)
        if written is None:
            if text.partition(".")[0] in self._left_out:
                raise _Unmeant("and the pipeline leaves that stage out.")
            raise _Unmeant(misspelt(text, self._outputs))
        if not isinstance(written, Made):
            return written
        copy = stage.renamed.get(written.stage, written.stage)
        if copy:
            return Made(copy, written.output)
        if place.wants == MODEL and written.output in ("", MODEL):
            return Start()  # the first round goes on from what the rounds begin with
        if is_state(place.wants):
            return None
        raise _Unmeant(f"and before the first round no {written.stage} has run.")

    def _meant(self, stage: StageLike, place: Place, written: Reference) -> Reference:
        if isinstance(written, Start):
            if isinstance(stage, Alone):
                raise _Unmeant(
                    "and no stage runs here that starts anywhere; name base or a folder."
                )
            if place.path == "start_from":
                raise _Unmeant("and start is what this key says; it is base, a stage or a folder.")
            return self._started(self.start(stage.name), written.output, place)
        if isinstance(written, Made):
            return self._made(written, place)
        if place.wants == DATA:
            known = listed(self._stages)
            raise _Unmeant(f"and rows are read that a stage wrote, one of {known}.")
        if is_state(place.wants) and not isinstance(written, Folder):
            raise _Unmeant(
                "and the state of a component is taken up, of a stage"
                f" ({listed(self._stages)}) or from the folder of such an output."
            )
        return written

    def _started(self, start: Reference, output: str, place: Place) -> Reference:
        """Return what ``start``, or ``start.<output>``, means in a place."""
        if output and isinstance(start, Made):
            return self._made(Made(start.stage, output), place)
        _refuse_other_kind(output or MODEL, place)
        found = self._beside(start, output) if output else start
        if place.wants == DATA:
            raise _Unmeant("and rows are read that a stage of this pipeline wrote.")
        return found

    def _made(self, written: Made, place: Place) -> Reference:
        outputs = self._outputs[written.stage]
        if not written.output and place.wants == MODEL and MODEL not in outputs:
            return self.start(written.stage)
        asked = written.output or place.wants
        output = output_of(asked, outputs)
        if output is None:
            raise _Unmeant(_lacks(written.stage, outputs, asked))
        _refuse_other_kind(output, place)
        if output != MODEL and keeps(self._stages[written.stage]):
            try:
                self._survives(written.stage, output.removeprefix(ROLES))
            except _Unmeant as error:
                gated = f"the gate of {written.stage} may keep what was there before it"
                raise _Unmeant(f"and {gated}, {error}") from error
        return Made(written.stage, output)

    def _survives(self, stage: str, output: str) -> None:
        """Look whether a stage's output has one beside what the stage starts from to replace it."""
        found = self._beside(self.start(stage), output)
        if not isinstance(found, Made):
            raise _Unmeant("and that is no output of a stage.")
        if keeps(self._stages[found.stage]):
            self._survives(found.stage, output)

    def _beside(self, start: Reference, output: str) -> Reference:
        """Return the output beside a model that a stage starts from."""
        if isinstance(start, Made):
            found = output_of(output, self._outputs[start.stage])
            if found is None:
                raise _Unmeant(_lacks(start.stage, self._outputs[start.stage], output))
            return Made(start.stage, found)
        if isinstance(start, Folder):
            places = [start.path.parent / name for name in (output, ROLES + output)]
            there = next((place for place in places if place.is_dir()), None)
            if there is not None:
                return Folder(there)
            raise _Unmeant(f"and there is no {places[0]}.")
        raise _Unmeant("and the stage starts from the base model, which no stage made.")


class _Unmeant(Exception):
    """Why a reference means nothing where it stands: the end of the sentence "is <text>, …"."""


def keeps(stage: StageLike) -> bool:
    """Tell whether a stage's gate may put an earlier model in the place of its own."""
    return (stage.gate or {}).get("on_fail") == "keep_previous"


def _refuse_other_kind(output: str, place: Place) -> None:
    """Raise where an output is of another kind than a place takes: a model, rows or a state."""
    what, wanted = _kind(output), _kind(place.wants)
    if what != wanted:
        raise _Unmeant(f"which is {what}, and {wanted} {_TAKEN[wanted]} here.")
    if is_state(output) and output != place.wants:
        raise _Unmeant(f"and the state of {place.wants} is taken up here, not another's.")


def _kind(output: str) -> str:
    if is_state(output):
        return "a state"
    return "rows" if output == DATA else "a model"


#: What is done with each kind of output.
_TAKEN = {"a state": "is taken up", "rows": "are read", "a model": "is loaded"}


def _lacks(stage: str, outputs: Sequence[str], asked: str) -> str:
    names = [name.removeprefix(ROLES) for name in outputs]
    return f"and the stage {stage} hands on {listed(names)}.{did_you_mean(asked, names)}"
