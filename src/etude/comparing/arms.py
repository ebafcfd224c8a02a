"""What is compared: the arms, each one way of training, and the trained models in each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from etude.errors import StorageError
from etude.recorded.evaluation import Evaluation
from etude.recorded.run import Member, MemberStage, Run
from etude.recorded.stage import Stage


@dataclass(frozen=True)
class Point:
    """One model as it was measured.

    ``unit`` is what it shares with one model of every other arm: the seed, mostly. ``before`` is
    the same measurement of the model it started from. ``samples`` and ``settings`` are those of
    the measurement, ``where`` names it, ``at`` says how far the model was (tokens, steps, seconds).
    """

    where: str
    unit: str
    samples: Sequence[Mapping[str, Any]]
    settings: Mapping[str, Any]
    config: Mapping[str, Any] | None = None
    fingerprint: str = ""
    stage: Stage | None = None
    before: Evaluation | None = None
    of: str = "main"
    at: float | None = None


@dataclass(frozen=True)
class Arm:
    """One way of training, with the models that it was tried on."""

    label: str
    points: tuple[Point, ...]

    @property
    def units(self) -> tuple[str, ...]:
        """Return what its models are told apart by; each once where they can be matched."""
        return tuple(point.unit for point in self.points)


@dataclass
class Chosen:
    """Which measurement of a run counts: an evaluation, of a stage (else the last that has it)."""

    evaluation: str = "main"
    stage: str = ""
    #: Members that have no such measurement, in words.
    missing: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Entry:
    """One measured model as a command found it: of a member of a run, or named by itself."""

    evaluation: Evaluation
    label: str = ""
    member: Member | None = None
    run: Run | None = None
    stage: Stage | None = None
    before: Evaluation | None = None


def point_of(entry: Entry, unit: str) -> Point:
    """Return the point of a published evaluation."""
    found = entry.evaluation
    return Point(
        f"{found.name}-{found.fingerprint[:4]}",
        unit,
        found.samples,
        found.settings,
        found.config,
        found.fingerprint,
        entry.stage,
        entry.before,
        found.of,
    )


def measured_stage(member: Member, chosen: Chosen) -> MemberStage | None:
    """Return the stage of a member whose measurement counts, None where it has none."""
    own = [
        stage
        for stage in member.stages
        if chosen.evaluation in stage.after and chosen.stage in ("", stage.name)
    ]
    return own[-1] if own else None


def grouped(entries: Sequence[Entry], by: str = "") -> list[Arm]:
    """Return the arms: members that differ by their seed alone are one.

    ``by`` names a key: its values are the arms, and what else differs is what they are matched by.
    Where all members would be one arm, each seed is an arm of its own. Raises StorageError where
    there is nothing to compare with.
    """
    typed = [entry.member.values if entry.member is not None else {} for entry in entries]
    differing = _differing([values for values, e in zip(typed, entries, strict=True) if e.member])
    if by and by not in differing:
        raise StorageError(
            f"--by {by}: no two of these members differ in it; they differ in "
            f"{', '.join(differing) or 'nothing'}"
        )
    labels, units = [], []
    for entry, values in zip(entries, typed, strict=True):
        own = {key: values[key] for key in differing if key in values}
        if entry.label or entry.member is None:
            labels.append(entry.label or _named(entry.evaluation))
            units.append(_words({k: own[k] for k in ("seed",) if k in own}) or _seed_of(entry))
            continue
        apart = (by,) if by else tuple(key for key in own if key != "seed")
        labels.append(_words({key: own[key] for key in apart if key in own}))
        units.append(_words({key: own[key] for key in own if key not in apart}))
    if len(set(labels)) == 1 and len(entries) > 1:
        labels = [unit or label for unit, label in zip(units, labels, strict=True)]
        units = [""] * len(units)
        if len(set(labels)) < len(labels):
            labels = [_named(entry.evaluation) for entry in entries]
    arms: dict[str, dict[str, Point]] = {}
    for entry, label, unit in zip(entries, labels, units, strict=True):
        arms.setdefault(label or _fallback(entry), {})[entry.evaluation.fingerprint] = point_of(
            entry, unit
        )
    return [Arm(label, tuple(points.values())) for label, points in arms.items()]


def _fallback(entry: Entry) -> str:
    """Return a name for members that say nothing of what makes them differ."""
    return entry.run.name.rpartition("-")[2] if entry.run is not None else "it"


def _differing(typed: Sequence[Mapping[str, str]]) -> tuple[str, ...]:
    """Return the keys in which members differ, in the order they were typed."""
    keys = dict.fromkeys(key for values in typed for key in values)
    return tuple(key for key in keys if len({values.get(key) for values in typed}) > 1)


def _words(values: Mapping[str, str]) -> str:
    return " ".join(f"{key}={value}" for key, value in values.items())


def _named(evaluation: Evaluation) -> str:
    return f"{evaluation.name}-{evaluation.fingerprint[:4]}"


def _seed_of(entry: Entry) -> str:
    seed = (entry.evaluation.config or {}).get("seed")
    return "" if seed is None else f"seed={seed}"
