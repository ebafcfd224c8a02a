"""The parts of rows as tensors, and what a reward weighting makes of them."""

from __future__ import annotations

import inspect
import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import torch
from torch import Tensor

from etude.errors import StageError
from etude.reward_weighting.interface import Combined, Tools, copied
from etude.rows import Outcome, Row


@dataclass(frozen=True)
class PartValues:
    """The named parts of N rows: ``values`` and ``applies``, each part → ``[N]``.

    Where a part does not apply to a row its value is 0. ``groups [N]`` numbers the rows' groups.
    """

    values: dict[str, Tensor]
    applies: dict[str, Tensor]
    groups: Tensor
    statuses: tuple[Outcome | None, ...]

    @classmethod
    def of(cls, groups: Sequence[Sequence[Row]], declared: Sequence[str] = ()) -> PartValues:
        """Return the parts of judged rows; ``declared`` are there even if they apply to none."""
        rows = [row for group in groups for row in group]
        given = [{} if row.verdict is None else row.verdict.parts for row in rows]
        names = dict.fromkeys(name for parts in given for name in parts) | dict.fromkeys(declared)
        return cls(
            {name: torch.tensor([p.get(name, 0.0) for p in given]) for name in names},
            {name: torch.tensor([name in p for p in given], dtype=torch.bool) for name in names},
            torch.tensor([g for g, group in enumerate(groups) for _ in group], dtype=torch.int64),
            tuple(None if row.verdict is None else row.verdict.outcome for row in rows),
        )


def provides(weighting: Any, what: str) -> bool:
    """Return whether a weighting declares that it provides something."""
    declaration = getattr(weighting, "declaration", None)
    return declaration is not None and any(need.what == what for need in declaration.provides)


@cache
def _asked(cls: Any) -> tuple[str, ...]:
    parameters = list(inspect.signature(cls.combine).parameters.values())[2:]
    return tuple(
        each.name for each in parameters if each.kind not in (each.VAR_POSITIONAL, each.VAR_KEYWORD)
    )


def combine(
    weighting: Any, rows: Sequence[Row], known: PartValues, state: Any, tools: Tools
) -> Combined:
    """Return what a weighting makes of rows; it is given what its ``combine`` names.

    Raises ConfigError for a part nobody gives, and StageError for a result that is of another shape
    or no finite number.
    """
    given = {
        "groups": known.groups,
        "statuses": known.statuses,
        "applies": known.applies,
        "state": copied(state),
        "tools": tools,
    }
    cls: Any = type(weighting)
    asked = {name: given[name] for name in _asked(cls) if name in given}
    found = weighting.combine(known.values, **asked)
    if not isinstance(found, Combined):
        shown = getattr(weighting, "log_weights", lambda _: None)(list(known.values))
        found = Combined(found, weights=shown)
    _judge(title_of(weighting), found, rows)
    return found


def title_of(weighting: Any) -> str:
    """Return what a weighting is called in messages."""
    return str(getattr(weighting, "title", f"reward_weighting={type(weighting).__name__}"))


def refuse_unknown_weights(name: str, found: Combined, parts: Collection[str]) -> None:
    """Raise StageError where a weight is of something that is no part; one of 0 counts nothing."""
    given = found.weights or {}
    unknown = sorted({name for name, weight in given.items() if weight} - {*parts})
    if unknown:
        raise StageError(
            f"{name} gave a weight of '{unknown[0]}', which is none of the parts: "
            f"{', '.join(parts)}"
        )


def refuse_other_advantages(name: str, advantages: Any, mask: Tensor) -> None:
    """Raise StageError where advantages are not one finite number a row, or a trained token."""
    count, width = mask.shape
    if not isinstance(advantages, Tensor) or advantages.shape not in ((count,), (count, width)):
        got = f"a {type(advantages).__name__}"
        if isinstance(advantages, Tensor):
            got = str(list(advantages.shape))
        raise StageError(
            f"{name} gave advantages {got}; it gives a tensor [{count}], one a row, or "
            f"[{count}, {width}], one a token"
        )
    counts = mask.any(-1) if advantages.dim() == 1 else mask > 0
    fault = counts & ~torch.isfinite(advantages)
    if fault.any():
        raise StageError(
            f"{name} gave the advantage {float(advantages[fault][0])} to the answer number "
            f"{int(fault.nonzero()[0, 0])} of {count}, which is no finite number"
        )


def _judge(name: str, found: Combined, rows: Sequence[Row]) -> None:
    if not isinstance(found.rewards, Tensor) or found.rewards.shape != (len(rows),):
        got = type(found.rewards).__name__
        got = str(list(found.rewards.shape)) if isinstance(found.rewards, Tensor) else f"a {got}"
        raise StageError(f"{name} gave rewards {got}; it gives a tensor [{len(rows)}], one a row")
    for row, reward in zip(rows, found.rewards.tolist(), strict=True):
        if not math.isfinite(reward):
            parts = {} if row.verdict is None else dict(row.verdict.parts)
            raise StageError(
                f"the reward of an answer to {row.prompt_id} is {reward}: {name} made it of {parts}"
            )


def rewards_of(
    rows: Sequence[Row],
    weighting: Any,
    *,
    state: Any = None,
    tools: Tools | None = None,
    declared: Sequence[str] = (),
) -> list[float]:
    """Return the rewards of rows as one group, by the weighting's state as it is."""
    if not rows:
        return []
    known = PartValues.of([rows], declared)
    found: list[float] = combine(weighting, rows, known, state, tools or Tools()).rewards.tolist()
    return found
