"""Tasks of the package reasoning_gym: generated questions whose answers its own scorers judge."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from hashlib import blake2b
from pathlib import Path
from typing import Any, ClassVar

from etude.component import Need, component, option
from etude.errors import DataError
from etude.randomness import generator, seed_of
from etude.sources.interface import LOOKED_AT, PARAMETRIC, StageRows
from etude.tasks import gym

#: One question in five is held out, by a hash of its text.
_HELD_OUT_SHARE = 5

#: Items that are made for each row of the held-out side before no more are expected.
_ATTEMPTS = 40

#: Seeds that the package takes.
_SEEDS = 2**31

SPLITS = ("train", "test")
COLUMNS = ("id", "prompt", "answer", "solution", "task", "entry")


@component(
    source="arXiv 2505.24760",
    requires=(Need(f"package:{gym.PACKAGE}", why="to make its tasks"),),
    provides=(
        *(f"column:{name}" for name in COLUMNS),
        *(f"split:{name}" for name in SPLITS),
        PARAMETRIC,
        LOOKED_AT,
    ),
)
@dataclass(frozen=True)
class ReasoningGym:
    """Generated questions of a task of the package reasoning_gym, to be judged by its own scorer.

    A hash of the question decides whether it is trained on or held out; within a split none occurs
    twice, so a task of few questions has fewer rows than are asked for. A curriculum may have rows
    made at any level of what the task's own curriculum varies (level 0 is the easiest; a level
    between two stands for both). ``entry`` is the item as the scorer wants it, ``solution`` the
    answer in tags.
    """

    example: ClassVar[str] = "recipe=rl data_mix=reasoning_gym verifier=reasoning_gym"

    task: str = option("basic_arithmetic", "name of the task in the package", form="filled")
    config: dict[str, Any] = option(
        {}, "settings of the task under the package's names ({max_terms: 3})"
    )
    seed: int = option(0, "draws the questions", ge=0, le=2**31 - 1)
    train_size: int = option(2_000, "most rows of the split train", ge=1, le=1_000_000)
    test_size: int = option(200, "most rows of the split test", ge=1, le=1_000_000)

    def rows(
        self, split: str, seed: int, folder: StageRows = None, key: str = "reasoning_gym"
    ) -> GymRows:
        """Return the questions of ``train`` or ``test``, drawn from the own seed."""
        if split not in SPLITS:
            raise DataError(
                f"sources.{key} has no split '{split}'; a generated source has train and test"
            )
        size = self.train_size if split == "train" else self.test_size
        config = json.dumps(self.config, sort_keys=True, default=str)
        return GymRows(_items(self.task, config, self.seed, split, size, f"sources.{key}"), self)

    def parameters(self) -> Mapping[str, tuple[float, float]]:
        """Return what :meth:`generate` reads: name → (0, the task's highest level of it)."""
        return gym.levels(self.task, "sources.reasoning_gym")

    def generate(self, parameters: Mapping[str, float], key: int) -> Mapping[str, Any]:
        """Return a question at the given levels, never one that is held out.

        ``key`` alone decides which. Raises DataError for a parameter that there is not or that is
        out of range.
        """
        known = self.parameters()
        random = generator("reasoning gym by parameters", self.task, key)
        chosen = {}
        for name, value in parameters.items():
            low, high = known.get(name, (math.nan, math.nan))
            if not low <= value <= high:
                there = ", ".join(f"{each} (0 to {most:g})" for each, (_, most) in known.items())
                raise DataError(
                    f"sources.reasoning_gym: the task {self.task} has no parameter {name} with"
                    f" {value}; it has {there or 'none'}"
                )
            chosen[name] = math.floor(value + random.random())
        size = 10 * _ATTEMPTS
        defaults = {"seed": int(random.integers(_SEEDS)), "size": size}
        items = gym.at_levels(self.task, chosen, defaults, "sources.reasoning_gym")
        for item in gym.made(items, size):
            if not _is_held_out(item["question"]):
                return self.row(item)
        raise DataError(f"sources.reasoning_gym: {size} questions at {chosen} are all held out")

    def row(self, item: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return the row of an item."""
        return {
            "id": f"{self.task}-{_digest(item['question']):016x}",
            "prompt": item["question"],
            "answer": item["answer"],
            "solution": f"<answer>{item['answer']}</answer>",
            "task": self.task,
            "entry": item,
        }

    def first_look(self, split: str, key: str = "reasoning_gym") -> tuple[GymRows, bool] | None:
        """Return some rows of a split, None where the package is not there to make any.

        Raises DataError for a task or settings that there are not.
        """
        if not gym.installed():
            return None
        some = min(20, self.train_size if split == "train" else self.test_size)
        config = json.dumps(self.config, sort_keys=True, default=str)
        items = _items(self.task, config, self.seed, split, some, f"sources.{key}")
        return GymRows(items, self), False

    def files(self) -> list[Path]:
        """Return nothing: the questions are made, not read."""
        return []


class GymRows(Sequence[Mapping[str, Any]]):
    """Items of a task as rows."""

    def __init__(self, items: Sequence[Mapping[str, Any]], source: ReasoningGym) -> None:
        self._items = items
        self._source = source

    def __len__(self) -> int:
        return len(self._items)

    def __getitem__(self, position: int) -> Mapping[str, Any]:  # type: ignore[override]
        """Return the row of the item at ``position``."""
        if not 0 <= position < len(self):
            raise IndexError(position)
        return self._source.row(self._items[position])

    def column(self, name: str, positions: Iterable[int] | None = None) -> Sequence[Any]:
        """Return one column of the rows at ``positions`` (None: of all)."""
        if name not in COLUMNS:
            raise DataError(f"reasoning_gym has no column '{name}'; it has {', '.join(COLUMNS)}")
        places = range(len(self)) if positions is None else positions
        return [self[int(place)][name] for place in places]


@lru_cache(maxsize=16)
def _items(
    task: str, config: str, seed: int, split: str, size: int, where: str
) -> tuple[Mapping[str, Any], ...]:
    """Return the first items of a task that belong to a split, each question once."""
    found: dict[str, Mapping[str, Any]] = {}
    for item in _all_items(task, json.loads(config), seed, _ATTEMPTS * size, where):
        if _is_held_out(item["question"]) == (split == "test"):
            found.setdefault(item["question"], item)
            if len(found) == size:
                break
    if not found:
        raise DataError(f"{where}: the task {task} has no question that belongs to {split}")
    return tuple(found.values())


def _all_items(
    task: str, config: Mapping[str, Any], seed: int, most: int, where: str
) -> Iterator[Mapping[str, Any]]:
    own = {"seed": seed_of("reasoning gym", seed) % _SEEDS, "size": most}
    yield from gym.made(gym.dataset(task, {**config, **own}, where), most)


def _is_held_out(question: str) -> bool:
    return _digest(question) % _HELD_OUT_SHARE == 0


def _digest(question: str) -> int:
    return int.from_bytes(blake2b(question.encode(), digest_size=8).digest(), "little")
