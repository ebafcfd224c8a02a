"""Episodes and decoder parts that are plain functions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from etude.by_path.call import Call, CallError
from etude.by_path.fields import ROLE_LOGITS
from etude.component import Declaration
from etude.errors import EtudeError, StageError
from etude.rollout.episode.interface import Episode, EpisodeStage
from etude.rollout.logits.interface import Logits
from etude.rows import Example, Row


def _called(call: Call, given: Mapping[str, Any]) -> Any:
    try:
        return call({name: given[name] for name in call.asks})
    except CallError as error:
        told = error.__cause__
        if isinstance(told, EtudeError):  # of what it asked the stage for, which says more
            raise told from error
        raise StageError(f"{call.title} failed: {error}") from error


@dataclass(frozen=True, kw_only=True)
class FunctionEpisode(Episode):
    """A function of a file that plays: prompts become rows."""

    call: Call
    declaration: Declaration  # type: ignore[misc]

    def play(
        self, examples: Sequence[Example], sizes: Sequence[int], stage: EpisodeStage
    ) -> Sequence[Sequence[Row]] | Sequence[Row]:
        """Return the rows that the function makes; raises StageError where it fails."""
        given = {"examples": list(examples), "sizes": list(sizes), "stage": stage}
        found = _called(self.call, given)
        if not isinstance(found, (list, tuple)):
            raise StageError(
                str(self.call.unusable(f"a {type(found).__name__}; it returns a list of rows"))
            )
        return found


@dataclass(frozen=True, kw_only=True)
class FunctionLogits(Logits):
    """A function of a file that combines the logits of several models."""

    call: Call
    declaration: Declaration  # type: ignore[misc]

    def combine(self, own: Tensor, others: Mapping[str, Tensor]) -> Tensor:
        """Return the logits to draw from; raises StageError where the function fails."""
        given = {f"{role}{ROLE_LOGITS}": logits for role, logits in others.items()}
        found = _called(self.call, given | {"logits": own})
        wanted = f"the logits to draw from, here {list(own.shape)}"
        if not isinstance(found, Tensor):
            what = f"a {type(found).__name__}; it returns {wanted}"
            raise StageError(str(self.call.unusable(what)))
        if found.shape != own.shape:
            what = f"a tensor {list(found.shape)}; it returns {wanted}"
            raise StageError(str(self.call.unusable(what)))
        if bool(torch.isnan(found).any()):
            raise StageError(str(self.call.unusable("logits that are no numbers (NaN)")))
        return found
