"""How many weights a stage moved, where, and with which rank; and whether others moved the same.

Checkpoints of one architecture are compared one parameter at a time, so two models never lie in
memory whole. The difference is taken in the dtype in which the weights are served: in bfloat16 many
small updates are exactly 0, and that is part of what is measured. arXiv 2505.11711.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING, Any

from etude.errors import ModelError
from etude.model.folder import ADAPTER, WEIGHTS, look

if TYPE_CHECKING:
    from torch import Tensor

#: Largest change that still counts as none, as the authors compare.
TOLERANCE = 1e-5

_LAYER = re.compile(r"(?:^|\.)(?:layers|h|blocks|layer)\.(\d+)\.")

#: Part of a parameter's name → the kind of matrix it is; the first that fits.
_KINDS = (
    ("norm", r"norm|ln_\d|ln_f"),
    ("embed", r"embed_tokens|wte|wpe|embed"),
    ("head", r"lm_head"),
    ("q", r"q_proj"),
    ("k", r"k_proj"),
    ("v", r"v_proj"),
    ("o", r"o_proj|attn\.c_proj"),
    ("gate", r"gate_proj"),
    ("up", r"up_proj|c_fc"),
    ("down", r"down_proj|mlp\.c_proj"),
)


def kind_of(name: str) -> str:
    """Return what kind of matrix a parameter is: q, k, v, o, gate, up, down, norm, embed, head."""
    return next((kind for kind, text in _KINDS if re.search(text, name)), "other")


class Checkpoint:
    """The weights of a model's folder, or of a safetensors file, read one at a time."""

    def __init__(self, path: Path) -> None:
        self.path = path
        if path.is_file():
            self._files = None
        elif (path / ADAPTER).is_file() and not (path / WEIGHTS).is_file():
            raise ModelError(
                f"{path} holds an adapter; merge it into its model first, for what it adds to the "
                "weights is what is compared"
            )
        elif not path.is_dir():
            raise ModelError(f"{path}: there is no such model; name its folder")
        else:
            tensors, _ = look(path)
            if not tensors:
                raise ModelError(f"{path} holds no weights (model.safetensors)")
            self._files = tensors
        self._stack = ExitStack()
        self._open: dict[Path, Any] = {}
        self.names = sorted(self._files or self._of(path).keys())

    def tensor(self, name: str) -> Tensor:
        """Return one parameter, on the CPU, as it is stored."""
        found: Tensor = self._of(self._file(name)).get_tensor(name)
        return found

    def entries(self, of: Callable[[str], bool] = lambda kind: True) -> int:
        """Return how many numbers the parameters of some kinds hold; nothing is read but shapes."""
        return sum(
            math.prod(self._of(self._file(name)).get_slice(name).get_shape())
            for name in self.names
            if of(kind_of(name))
        )

    def close(self) -> None:
        """Close its files."""
        self._stack.close()

    def _file(self, name: str) -> Path:
        return self.path if self._files is None else self.path / self._files[name]

    def _of(self, file: Path) -> Any:
        if file not in self._open:
            from safetensors import SafetensorError, safe_open

            try:
                self._open[file] = self._stack.enter_context(safe_open(str(file), "pt"))
            except (OSError, SafetensorError) as error:
                raise ModelError(f"{file} cannot be read as safetensors: {error}") from error
        return self._open[file]


@dataclass(frozen=True)
class Moved:
    """What became of one parameter of ``entries`` numbers.

    ``changed`` are those that differ at all, ``small`` those that differ by at most each tolerance,
    ``norm`` the length of the difference. ``rank`` is that of the difference, None where it was
    not asked for or the parameter is no matrix; ``full`` the greatest there could be.
    """

    name: str
    entries: int
    changed: int
    small: Mapping[float, int]
    norm: float
    rank: int | None = None
    full: int = 0

    @property
    def density(self) -> float:
        """Return the share of entries that differ."""
        return self.changed / self.entries

    @property
    def layer(self) -> int | None:
        """Return the number of its layer, None outside of all."""
        found = _LAYER.search(self.name)
        return None if found is None else int(found[1])

    @property
    def kind(self) -> str:
        """Return what kind of matrix it is."""
        return kind_of(self.name)


@dataclass
class Update:
    """What training moved between two checkpoints, parameter by parameter.

    ``only_before`` and ``only_after`` are parameters on one side alone, which are left out, and
    ``cut`` those of other shapes, of which the rows that both have are compared.
    """

    parameters: list[Moved] = field(default_factory=list)
    only_before: list[str] = field(default_factory=list)
    only_after: list[str] = field(default_factory=list)
    cut: list[str] = field(default_factory=list)

    @property
    def entries(self) -> int:
        """Return how many numbers were compared."""
        return sum(each.entries for each in self.parameters)

    @property
    def exact_zero(self) -> float:
        """Return the share of all entries that do not differ at all."""
        return 1 - sum(each.changed for each in self.parameters) / self.entries

    def sparsity(self, tolerance: float) -> float:
        """Return the share of all entries that differ by at most a tolerance that was asked for."""
        return sum(each.small[tolerance] for each in self.parameters) / self.entries

    def density_by_layer(self) -> dict[int, float]:
        """Return layer → mean density of its parameters, each counted alike."""
        return _means({n: each.density for n, each in enumerate(self.parameters)}, self._layers())

    def density_by_kind(self) -> dict[str, float]:
        """Return kind of matrix → share of the entries of that kind that differ."""
        found: dict[str, list[Moved]] = {}
        for each in self.parameters:
            found.setdefault(each.kind, []).append(each)
        return {
            kind: sum(e.changed for e in group) / sum(e.entries for e in group)
            for kind, group in found.items()
        }

    def norm_by_layer(self) -> dict[int, float]:
        """Return layer → length of the difference of all of its parameters."""
        sums: dict[int, float] = {}
        for each in self.parameters:
            if each.layer is not None:
                sums[each.layer] = sums.get(each.layer, 0.0) + each.norm**2
        return {layer: math.sqrt(total) for layer, total in sorted(sums.items())}

    @property
    def mean_rank_fraction(self) -> float | None:
        """Return the mean over matrices of rank over full rank; None where none was measured."""
        found = [each.rank / each.full for each in self.parameters if each.rank is not None]
        return sum(found) / len(found) if found else None

    def _layers(self) -> dict[int, int]:
        return {n: p.layer for n, p in enumerate(self.parameters) if p.layer is not None}


@dataclass(frozen=True)
class Overlap:
    """How far two updates of the same model moved the same weights, of ``entries`` in all.

    ``agreeing`` are the entries in which the two models that came of it differ by at most the
    tolerance.
    """

    entries: int
    first: int
    second: int
    both: int
    agreeing: int = 0

    @property
    def of_first(self) -> float | None:
        """Return the share of what the first moved that the second moved too; None of nothing."""
        return self.both / self.first if self.first else None

    @property
    def of_second(self) -> float | None:
        """Return the share of what the second moved that the first moved too; None of nothing."""
        return self.both / self.second if self.second else None

    @property
    def chance_of_first(self) -> float:
        """Return what ``of_first`` would be if the weights were moved at random."""
        return self.second / self.entries

    @property
    def chance_of_second(self) -> float:
        """Return what ``of_second`` would be if the weights were moved at random."""
        return self.first / self.entries

    @property
    def jaccard(self) -> float | None:
        """Return those that both moved over those that either did; None of nothing."""
        either = self.first + self.second - self.both
        return self.both / either if either else None

    @property
    def agreement(self) -> float:
        """Return the share of entries in which the two models agree within the tolerance."""
        return self.agreeing / self.entries


@dataclass(frozen=True)
class Comparison:
    """The updates from one checkpoint to several others, and the overlap of each two of them."""

    updates: list[Update]
    overlaps: dict[tuple[int, int], Overlap]


def compare(
    before: Path,
    after: Sequence[Path],
    *,
    tolerances: Sequence[float] = (TOLERANCE,),
    dtype: str | None = None,
    ranks: bool = True,
    said: Callable[[str], None] = lambda name: None,
) -> Comparison:
    """Return how each model of ``after`` differs from ``before``; folders or safetensors files.

    ``dtype`` (bfloat16, float16, float32) is the one to subtract in; by default the stored one,
    which has to be the same. Tied embeddings are stored, and counted, once. ``ranks=False`` leaves
    out the rank, which takes most of the time; it is measured of parameters of two dimensions
    whose names do not hold "layernorm". ``said`` hears of each parameter in turn. Raises ModelError
    where weights cannot be read or none is in common.
    """
    import torch

    served = getattr(torch, dtype) if dtype else None
    with ExitStack() as stack:
        first, *others = (Checkpoint(path) for path in (before, *after))
        for each in (first, *others):
            stack.callback(each.close)
        updates = [_named(first, other) for other in others]
        known = [set(other.names) for other in others]
        counts = {pair: [0, 0, 0, 0, 0] for pair in combinations(range(len(others)), 2)}
        for name in first.names:
            there = [at for at, names in enumerate(known) if name in names]
            if not there:
                continue
            said(name)
            base = first.tensor(name)
            ends = {at: others[at].tensor(name) for at in there}
            base, ends = _alike(name, base, ends, updates)
            base, ends = _served(name, base, ends, served, (first, others))
            deltas = {at: end - base for at, end in ends.items()}
            for at, delta in deltas.items():
                updates[at].parameters.append(_moved(name, delta, tolerances, ranks))
            for pair, into in counts.items():
                if set(pair) <= deltas.keys():
                    _count(into, [deltas[at] for at in pair], [ends[at] for at in pair], tolerances)
    for update, path in zip(updates, after, strict=True):
        if not update.parameters:
            raise ModelError(f"{path} and {before} have no parameter in common")
    return Comparison(updates, {pair: Overlap(*into) for pair, into in counts.items()})


def _named(first: Checkpoint, other: Checkpoint) -> Update:
    here, there = set(first.names), set(other.names)
    return Update([], sorted(here - there), sorted(there - here))


def _alike(
    name: str, base: Tensor, ends: dict[int, Tensor], updates: Sequence[Update]
) -> tuple[Tensor, dict[int, Tensor]]:
    """Return tensors of one shape: of a vocabulary that was resized, the rows that all have."""
    shapes = [tuple(each.shape) for each in (base, *ends.values())]
    if len(set(shapes)) == 1:
        return base, ends
    if len({shape[1:] for shape in shapes}) > 1 or not shapes[0]:
        raise ModelError(f"{name} has the shapes {shapes}: these are different architectures")
    rows = min(shape[0] for shape in shapes)
    for at in ends:
        updates[at].cut.append(name)
    return base[:rows], {at: each[:rows] for at, each in ends.items()}


def _served(
    name: str,
    base: Tensor,
    ends: dict[int, Tensor],
    dtype: Any,
    models: tuple[Checkpoint, Sequence[Checkpoint]],
) -> tuple[Tensor, dict[int, Tensor]]:
    """Return tensors of one dtype. Raises ModelError where they differ and none was asked for."""
    if dtype is not None:
        return base.to(dtype), {at: each.to(dtype) for at, each in ends.items()}
    for at, each in ends.items():
        if each.dtype != base.dtype:
            first, others = models
            raise ModelError(
                f"{name} is {_short(base.dtype)} in {first.path} and {_short(each.dtype)} in "
                f"{others[at].path}; name the dtype they are served in: dtype=bfloat16"
            )
    return base, ends


def _moved(name: str, delta: Tensor, tolerances: Sequence[float], ranks: bool) -> Moved:
    import torch

    wide = delta.float() if delta.is_floating_point() else delta.double()
    small = {each: int((delta.abs() <= each).sum()) for each in tolerances}
    changed = int(torch.count_nonzero(delta))
    rank, full = None, 0
    if ranks and delta.dim() == 2 and "layernorm" not in name:
        full = min(delta.shape)
        rank = int(torch.linalg.matrix_rank(wide)) if changed else 0
    return Moved(name, delta.numel(), changed, small, float(wide.norm()), rank, full)


def _count(
    into: list[int],
    deltas: Sequence[Tensor],
    ends: Sequence[Tensor],
    tolerances: Sequence[float],
) -> None:
    first, second = (delta != 0 for delta in deltas)
    agree = (ends[0] - ends[1]).abs() <= max(tolerances)
    found = (int(each.sum()) for each in (first, second, first & second, agree))
    for place, value in enumerate((first.numel(), *found)):
        into[place] += value


def _means(values: Mapping[int, float], group: Mapping[int, int]) -> dict[int, float]:
    found: dict[int, list[float]] = {}
    for key, of in group.items():
        found.setdefault(of, []).append(values[key])
    return {of: sum(each) / len(each) for of, each in sorted(found.items())}


def _short(dtype: Any) -> str:
    return str(dtype).removeprefix("torch.")
