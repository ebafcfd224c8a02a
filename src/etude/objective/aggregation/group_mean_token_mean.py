"""Mean over the tokens of each prompt's answers, then over prompts (GHPO's released config).

    Σ_g (1/groups) · Σ_{i in g, t} m·L / Σ_{i in g, t} m

TRL's loss ``bnpo`` is a token mean of each device's micro-batch. Where that holds one prompt's
group, as GHPO runs it (8 rows a device, 8 answers a prompt), every prompt weighs the same whatever
the length of its answers, and the result depends on no cut.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from etude.component import component
from etude.objective.batch import Totals
from etude.objective.parts import Aggregation


@component(source="arXiv 2507.10628")
@dataclass(frozen=True)
class GroupMeanTokenMean(Aggregation):
    """Every prompt weighs the same, and so does every token of its answers."""

    words: ClassVar[str] = "mean over the tokens of each prompt's answers, then over prompts"

    def weights(self, mask: Tensor, totals: Totals, groups: Tensor | None = None) -> Tensor:
        """Return mask / (tokens of the row's group · groups that have some), ``[N, T]``.

        Raises ValueError where it is not told which rows belong together.
        """
        if groups is None:
            raise ValueError("a mean over prompts needs the group of every row")
        known = totals.group_tokens
        tokens = mask.new_tensor([max(known[group], 1) for group in groups.tolist()])
        return mask / (tokens.unsqueeze(-1) * max(sum(n > 0 for n in known.values()), 1))
