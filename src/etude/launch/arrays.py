"""Units → job arrays with edges: as few submissions as the dependencies of SLURM allow.

SLURM has two kinds of edge that fit: ``afterok:JOB`` waits for a whole job (or one task of an
array, ``afterok:ARRAY_3``), ``aftercorr:ARRAY`` has task i wait for task i of another array.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass

from etude.launch.units import Unit


@dataclass(frozen=True)
class Edge:
    """What every task of a batch waits for: task i for task i of the batch ``batch``.

    With ``task`` all wait for that task of it, by its number. A unit that another run has in
    the queue is ``job``, by its id.
    """

    batch: int | None = None
    task: int | None = None
    job: str | None = None


@dataclass(frozen=True)
class Batch:
    """Units that go up together: an array, or a plain job where there is only one."""

    units: tuple[Unit, ...]
    edges: tuple[Edge, ...] = ()

    @property
    def name(self) -> str:
        """Return the name that the jobs get: their first unit's."""
        return self.units[0].name


Place = tuple[int, int]


def batches_of(
    units: Mapping[str, Unit],
    shape: Callable[[Unit], Hashable],
    *,
    largest: int,
    queued: Mapping[str, str] | None = None,
) -> list[Batch]:
    """Return batches in an order in which they can be submitted, parents first.

    ``units`` are those to submit (parents elsewhere are finished and not waited for), ``shape``
    tells which may share an array, ``largest`` is the most tasks of one, and ``queued`` maps units
    that are in the queue already to their job ids.
    """
    waiting_for = queued or {}
    made: list[Batch] = []
    placed: dict[str, Place] = {}
    for wave in _waves(units):
        for alike in _grouped(wave, lambda unit: (unit.name, shape(unit))):
            for batch in _cut(alike, placed, made, waiting_for, largest):
                for task, unit in enumerate(batch.units):
                    placed[unit.fingerprint] = (len(made), task)
                made.append(batch)
    return made


def _waves(units: Mapping[str, Unit]) -> list[list[Unit]]:
    """Return units by how many others lie before them on their longest way."""
    depth: dict[str, int] = {}
    for fingerprint, unit in units.items():
        before = [depth[parent] for parent in unit.parents if parent in units]
        depth[fingerprint] = 1 + max(before, default=-1)
    waves: list[list[Unit]] = [[] for _ in range(max(depth.values(), default=-1) + 1)]
    for fingerprint, level in depth.items():
        waves[level].append(units[fingerprint])
    return waves


def _grouped(units: Sequence[Unit], key: Callable[[Unit], Hashable]) -> list[list[Unit]]:
    groups: dict[Hashable, list[Unit]] = {}
    for unit in units:
        groups.setdefault(key(unit), []).append(unit)
    return list(groups.values())


def _cut(
    alike: list[Unit],
    placed: Mapping[str, Place],
    made: Sequence[Batch],
    queued: Mapping[str, str],
    largest: int,
) -> list[Batch]:
    """Return the batches of units of one shape: paired with earlier arrays, or by equal parents."""
    found: list[Batch] = []

    def batches(unit: Unit) -> tuple[int, ...]:
        return tuple(sorted({placed[p][0] for p in unit.parents if p in placed}))

    def jobs(unit: Unit) -> tuple[str, ...]:
        return tuple(sorted({queued[p] for p in unit.parents if p in queued}))

    for some in _grouped(alike, lambda unit: (batches(unit), jobs(unit))):
        paired = _paired(some, placed, made)
        by_parents = _grouped(some, lambda unit: _places(unit, placed))
        others = tuple(Edge(job=job) for job in jobs(some[0]))
        if paired is not None and len(paired) < len(by_parents):
            edges = tuple(Edge(batch=number) for number in batches(some[0]))
            found += [Batch(tuple(column), edges + others) for column in paired]
            continue
        for siblings in by_parents:
            edges = tuple(Edge(place[0], place[1]) for place in _places(siblings[0], placed))
            for start in range(0, len(siblings), largest):
                part = tuple(siblings[start : start + largest])
                found.append(Batch(part, edges + others))
    return found


def _places(unit: Unit, placed: Mapping[str, Place]) -> tuple[Place, ...]:
    return tuple(sorted(placed[parent] for parent in unit.parents if parent in placed))


def _paired(
    units: Sequence[Unit], placed: Mapping[str, Place], made: Sequence[Batch]
) -> list[list[Unit]] | None:
    """Return columns in which unit i waits for task i of the parents' arrays, or None.

    Every unit must wait for one task number only, and every column must have all of them.
    """
    rows: dict[int, list[Unit]] = {}
    for unit in units:
        places = _places(unit, placed)
        if not places or len({task for _, task in places}) > 1:
            return None
        rows.setdefault(places[0][1], []).append(unit)
    arrays = {place[0] for place in _places(units[0], placed)}
    length = len(made[min(arrays)].units)
    whole = length > 1 and all(len(made[number].units) == length for number in arrays)
    heights = {len(row) for row in rows.values()}
    if not whole or len(rows) != length or len(heights) > 1:
        return None
    return [[rows[task][column] for task in range(length)] for column in range(heights.pop())]
