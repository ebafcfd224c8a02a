"""Several processes make the groups of a step: each those of its own prompts, then all have all.

What is random about a row belongs to the row, so groups, rows and their order are those that one
process would have made alone.
"""

from __future__ import annotations

import copy
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from etude.distributed.together import by_all
from etude.distributed.world import World, current
from etude.errors import StageError
from etude.learner.sampler import StepSampler, Told
from etude.objective.parts import Groups, PartState
from etude.rows import Example, Row

#: Makes the judged groups of some examples.
Work = Callable[[Sequence[Example], StepSampler], Groups]

#: A place in a tree of dicts.
Path = tuple[str, ...]


@dataclass(frozen=True)
class _Gone:
    """Takes the place of a value that a process has removed from its state."""


@dataclass(frozen=True)
class _Hand:
    """What one process tells the others: its groups by example, its rows, what it has learned."""

    groups: list[tuple[int, list[Row]]]
    counts: dict[str, tuple[float, float]]
    told: Told
    learned: dict[Path, Any]


def shared_groups(
    work: Work, examples: Sequence[Example], sampler: StepSampler, state: PartState | None = None
) -> Groups:
    """Return the groups that ``work`` makes of all examples; every process works on some of them.

    ``sampler`` and ``state`` then know on every process what happened on all. Raises StageError
    where two processes changed the same part of the state, or a group is not known to be of an
    example.
    """
    world = current()
    if world.is_alone:
        return work(examples, sampler)
    places = _places(examples, world)
    before = copy.deepcopy(state.state_dict()) if state is not None else {}

    def mine() -> _Hand:
        own = sampler.aside()
        made = work([examples[i] for i in places], own) if places else Groups([])
        of = [places[i] for i in _examples_of(made, len(places))]
        after = state.state_dict() if state is not None else {}
        groups = list(zip(of, made.rows, strict=True))
        return _Hand(groups, made.counts, own.told, _changes(before, after))

    hands = by_all(mine)
    _tell(sampler, [hand.told for hand in hands], examples)
    if state is not None:
        state.load_state_dict(_merged(before, [hand.learned for hand in hands]))
    found = sorted((pair for hand in hands for pair in hand.groups), key=lambda pair: pair[0])
    counts: dict[str, tuple[float, float]] = {}
    for hand in hands:
        for name, (total, count) in hand.counts.items():
            had = counts.get(name, (0.0, 0.0))
            counts[name] = (had[0] + total, had[1] + count)
    return Groups([rows for _, rows in found], counts, of=[place for place, _ in found])


def _places(examples: Sequence[Example], world: World) -> list[int]:
    """Return which examples, by number, this process works on.

    A prompt that was drawn twice stays with one process: its answers are numbered on.
    """
    mine = set(world.share(list(dict.fromkeys(example.id for example in examples))))
    return [place for place, example in enumerate(examples) if example.id in mine]


def _examples_of(made: Groups, count: int) -> list[int]:
    if made.of is not None:
        return made.of
    if len(made.rows) != count:
        raise StageError(
            f"objective.guidance made {len(made.rows)} groups of {count} examples and does not say "
            "which group is of which example (Groups.of), so several processes cannot put them in "
            "one order; train in one process"
        )
    return list(range(count))


def _tell(sampler: StepSampler, all_told: Sequence[Told], examples: Sequence[Example]) -> None:
    """Add to what a sampler tells what those of all processes have, call by call."""
    first: dict[str, int] = {}
    for place, example in enumerate(examples):
        first.setdefault(example.id, place)

    def joined(calls: Sequence[list[list[Row]]]) -> Iterator[list[Row]]:
        for number in range(max(len(each) for each in calls)):
            rows = [row for each in calls if number < len(each) for row in each[number]]
            yield sorted(rows, key=lambda row: first[row.prompt_id])

    sampler.told.sampled += joined([told.sampled for told in all_told])
    sampler.told.demonstrated += joined([told.demonstrated for told in all_told])
    numbers: Counter[str] = sampler.told.next
    for told in all_told:
        numbers |= told.next


def _leaves(tree: Any, at: Path = ()) -> Iterator[tuple[Path, Any]]:
    if isinstance(tree, Mapping):
        for key, value in tree.items():
            yield from _leaves(value, (*at, key))
    else:
        yield at, tree


def _changes(before: Any, after: Any) -> dict[Path, Any]:
    """Return the leaves of ``after`` that ``before`` has not or has otherwise, and those gone."""
    had, has = dict(_leaves(before)), dict(_leaves(after))
    changed = {at: x for at, x in has.items() if at not in had or not _same(had[at], x)}
    return changed | {at: _Gone() for at in had if at not in has}


def _same(one: Any, other: Any) -> bool:
    if isinstance(one, torch.Tensor) and isinstance(other, torch.Tensor):
        return torch.equal(one, other)
    return bool(one == other)


def _merged(before: Any, hands: Sequence[dict[Path, Any]]) -> Any:
    """Return the state with the changes of all processes; ``before`` is used up."""
    made: dict[Path, Any] = {}
    for changes in hands:
        for at, value in changes.items():
            if at in made and not _same(made[at], value):
                raise StageError(
                    f"two processes changed {'.'.join(map(str, at))} in the state of "
                    f"objective.guidance: to {made[at]} and to {value}; several processes can only "
                    "train where that state is kept by prompt id; train in one process"
                )
            made[at] = value
    for at, value in made.items():
        tree = before
        for key in at[:-1]:
            tree = tree.setdefault(key, {})
        if isinstance(value, _Gone):
            del tree[at[-1]]
        else:
            tree[at[-1]] = value
    return before
