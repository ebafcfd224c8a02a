"""Arithmetic problems in nine levels, generated: prompt, answer and a worked solution."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from etude.component import Need, component, option
from etude.errors import DataError
from etude.randomness import generator
from etude.sources.arithmetic_levels import LEVELS, Codes, Expression, level_of
from etude.sources.arithmetic_parameters import PARAMETERS, checked, problems
from etude.sources.interface import NUMBERS, PARAMETRIC, StageRows

#: One problem in five is held out, by a hash of the problem alone.
HELD_OUT_SHARE = 5

#: Problems that are made before a parameter is said to have none that may be trained on.
_ATTEMPTS = 1000

SPLITS = ("train", "test")

#: What a source that generates problems provides beside columns: splits, and levels.
GENERATED: tuple[Need | str, ...] = (
    *(f"split:{name}" for name in SPLITS),
    *(Need(f"level:{number}", when=f"levels >= {number}") for number in range(1, len(LEVELS) + 1)),
)


@component(
    provides=(
        "column:id",
        "column:prompt",
        "column:answer",
        "column:solution",
        "column:level",
        PARAMETRIC,
        NUMBERS,
        "characters:100",
        *GENERATED,
    )
)
@dataclass(frozen=True)
class Arithmetic:
    """Generated arithmetic problems (``37+48=``) with answers and solutions worked in steps.

    A hash of the problem decides whether it is trained on or held out, so no seed, size or level
    can put one problem into both splits; within a split no problem occurs twice. Problems are
    drawn from the source's own seed and not from the run's: runs with other seeds visit the same
    problems in another order and are measured on the same held-out ones. A curriculum may have
    others made, by continuous parameters (``sources/arithmetic_parameters.py``).
    """

    seed: int = option(
        0, "draws the problems; the run's own seed only decides their order", ge=0, le=2**63 - 1
    )
    levels: int = option(
        len(LEVELS),
        f"levels 1 to this number are generated (at most {len(LEVELS)})",
        ge=1,
        le=len(LEVELS),
    )
    train_size: int = option(
        10_000, "most problems of each level in the split train", ge=1, le=10_000_000
    )
    test_size: int = option(
        1_000, "most problems of each level in the split test", ge=1, le=10_000_000
    )
    prompt_format: str = option("{problem}=", "prompt text; {problem} is the expression")
    answer_format: str = option(
        "A:{answer}", "how a worked solution states its answer; the verifier must read it"
    )

    def rows(
        self, split: str, seed: int, folder: StageRows = None, key: str = "arithmetic"
    ) -> ArithmeticRows:
        """Return the problems of ``train`` or ``test``, levels mixed, drawn from the own seed."""
        if split not in SPLITS:
            raise DataError(
                f"sources.{key} has no split '{split}'; a generated source has train and test"
            )
        size = self.train_size if split == "train" else self.test_size
        codes = [self._draw(level, split, size) for level in range(1, self.levels + 1)]
        levels = np.repeat(np.arange(1, self.levels + 1), [len(each) for each in codes])
        order = generator("arithmetic order", self.seed, split).permutation(len(levels))
        return ArithmeticRows(self, levels[order], np.concatenate(codes)[order])

    def parameters(self) -> Mapping[str, tuple[float, float]]:
        """Return what :meth:`generate` reads: name → (least value, greatest value)."""
        return PARAMETERS

    def generate(self, parameters: Mapping[str, float], key: int) -> Mapping[str, Any]:
        """Return a problem of ``terms`` numbers of ``digits`` digits, some with ``products``.

        ``key`` alone decides which. It is never one that is held out. Raises DataError for a
        parameter that there is not or that is out of range.
        """
        chosen = checked(parameters)
        random = generator("arithmetic by parameters", key)
        for expression in islice(problems(chosen, random), _ATTEMPTS):
            place = level_of(expression)
            if place is None:
                return self.row(expression, None)
            level, code = place
            if _hash(np.array([code]), level)[0] % HELD_OUT_SHARE != 0:
                return self.row(expression, level)
        raise DataError(f"arithmetic: every problem of the parameters {chosen} is held out")

    def row(self, expression: Expression, level: int | None) -> Mapping[str, Any]:
        """Return the row of a problem."""
        answer = str(expression.answer)
        final = self.answer_format.replace("{answer}", answer)
        return {
            "id": str(expression),
            "prompt": self.prompt(expression),
            "answer": answer,
            "solution": " ".join([*expression.steps(), final]),
            "level": level,
        }

    def prompt(self, expression: Expression) -> str:
        """Return the prompt of a problem."""
        return self.prompt_format.replace("{problem}", str(expression))

    def first_look(self, split: str, key: str = "arithmetic") -> tuple[ArithmeticRows, bool]:
        """Return all rows of a split: they are made in a moment."""
        return self.rows(split, 0, None, key), True

    def files(self) -> list[Path]:
        """Return nothing: the problems are made, not read."""
        return []

    def _draw(self, level: int, split: str, size: int) -> Codes:
        """Return at most ``size`` different codes of one level that belong to ``split``."""
        space = LEVELS[level - 1]
        random = generator("arithmetic problems", self.seed, level)
        if space.size <= 64 * size:
            codes = random.permutation(space.size)
        else:
            # Far more problems than are wanted: twenty draws for each keep both splits full.
            draws = random.integers(0, space.size, 20 * size)
            codes = draws[np.sort(np.unique(draws, return_index=True)[1])]
        codes = codes[space.valid(codes)]
        held_out = _hash(codes, level) % HELD_OUT_SHARE == 0
        return codes[held_out if split == "test" else ~held_out][:size]


class ArithmeticRows(Sequence[Mapping[str, Any]]):
    """Generated rows; texts are made when a row is read."""

    def __init__(self, source: Arithmetic, levels: Codes, codes: Codes) -> None:
        self._source = source
        self._levels = levels
        self._codes = codes

    def __len__(self) -> int:
        return len(self._codes)

    def __getitem__(self, position: int) -> Mapping[str, Any]:  # type: ignore[override]
        """Return id, prompt, answer, solution and level of the problem at ``position``."""
        return self._source.row(self.expression(position), int(self._levels[position]))

    def column(self, name: str, positions: Iterable[int] | None = None) -> Sequence[Any]:
        """Return one column; a column but the solution is made without working it out."""
        cheap: dict[str, Callable[[int], Any]] = {
            "level": lambda place: int(self._levels[place]),
            "id": lambda place: str(self.expression(place)),
            "prompt": lambda place: self._source.prompt(self.expression(place)),
            "answer": lambda place: str(self.expression(place).answer),
            "solution": lambda place: self[place]["solution"],
        }
        if name not in cheap:
            raise DataError(f"arithmetic has no column '{name}'; it has {', '.join(cheap)}")
        places = range(len(self)) if positions is None else positions
        return [cheap[name](int(place)) for place in places]

    def expression(self, position: int) -> Expression:
        """Return the problem at ``position`` as an expression."""
        if not 0 <= position < len(self):
            raise IndexError(position)
        return LEVELS[int(self._levels[position]) - 1].expression(int(self._codes[position]))


def _hash(codes: Codes, level: int) -> NDArray[np.uint64]:
    """Return a well-mixed 64-bit hash of each problem (the finaliser of SplitMix64)."""
    with np.errstate(over="ignore"):
        mixed = codes.astype(np.uint64) + np.uint64(level) * np.uint64(0x9E3779B97F4A7C15)
        mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return mixed ^ (mixed >> np.uint64(31))
