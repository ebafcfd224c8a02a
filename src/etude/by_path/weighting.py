"""A reward weighting that is a plain function: named parts of rows → one reward each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from etude.by_path.call import Call, CallError
from etude.by_path.kinds import KINDS
from etude.component import Declaration
from etude.errors import StageError
from etude.reward_weighting.interface import RewardWeighting, Tools
from etude.rows import Outcome


@dataclass(frozen=True, kw_only=True)
class FunctionWeighting(RewardWeighting):
    """A function of a file that makes one reward of the parts of each row, over all of a step."""

    call: Call
    declaration: Declaration

    @property
    def title(self) -> str:
        """Return the function with its file and line."""
        return self.call.title

    def combine(
        self,
        parts: Mapping[str, Tensor],
        *,
        groups: Tensor,
        statuses: Sequence[Outcome | None],
        applies: Mapping[str, Tensor],
        tools: Tools,
    ) -> Tensor:
        """Return the reward of each row, ``[N]``; raises StageError where the function fails."""
        given: dict[str, Any] = {
            "parts": parts,
            "applies": applies,
            "groups": groups,
            "correct": torch.tensor([each is Outcome.CORRECT for each in statuses]),
            "lengths": tools.lengths,
            "truncated": tools.truncated,
            "step": tools.step,
            "steps": tools.steps,
        }
        for name in self.call.asks:
            if name not in KINDS["reward_weighting"].given:
                given[name] = self._part(name, parts)
        try:
            found = self.call(given)
        except CallError as error:
            raise StageError(f"{self.title} failed: {error}") from error
        if not isinstance(found, Tensor):
            kind = type(found).__name__
            raise StageError(
                str(self.call.unusable(f"a {kind}; it returns a tensor [{len(statuses)}]"))
            )
        return found.detach()

    def _part(self, name: str, parts: Mapping[str, Tensor]) -> Tensor:
        if name not in parts:
            given = ", ".join(sorted(parts)) or "none"
            raise StageError(
                f"{self.title} asks for the part '{name}', which the verifier does not give; it "
                f"gives: {given}"
            )
        return parts[name]
