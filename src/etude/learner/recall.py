"""What is measured of the policy before it moves: old log-probs and token statistics."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from torch import Tensor

from etude.learner.forward import measure
from etude.learner.layout import Layout
from etude.learner.tensors import pad
from etude.model.policy import Policy
from etude.rows import Row


@dataclass(frozen=True)
class _Sampled:
    """A row in the context it was sampled in."""

    row: Row

    @property
    def prompt(self) -> tuple[int, ...]:
        return self.row.sampled_prompt or self.row.prompt

    @property
    def tokens(self) -> tuple[int, ...]:
        return self.row.tokens

    @property
    def loss_mask(self) -> Sequence[int]:
        return self.row.loss_mask


class Recall:
    """Measures the sampling policy once a step, and the present policy before each update.

    ``filled`` says whether this step's rows carry their old log-probs. The old numbers are those
    in the context a row was sampled in; the present ones are in the context it is trained in.
    """

    def __init__(self, policy: Policy, objective: Any, token_budget: int, layout: Layout) -> None:
        self._objective = objective
        self._measure = partial(measure, policy, token_budget=token_budget, layout=layout)
        self.filled = False

    def clear(self) -> None:
        """Forget the step before."""
        self.filled = False

    def fill(self, rows: Sequence[Row], temperature: float) -> None:
        """Give every row its old log-probs and what parts ask of the sampling policy."""
        names = ["logprobs", *self._objective.old_statistics]
        sampled = [_Sampled(row) if row.prompt != row.sampled_prompt else row for row in rows]
        found = self._measure(sampled, names, temperature=temperature)
        for number, row in enumerate(rows):
            row.old_logprobs = found["logprobs"][number]
            for name in self._objective.old_statistics:
                row.extras[name] = found[name][number]
        self.filled = True

    def fill_given(self, rows: Sequence[Row], temperature: float) -> None:
        """Give the tokens that no model sampled the present policy's log-probs as old ones.

        The other tokens keep those of the model that sampled them.
        """
        given = [row for row in rows if any(row.off_policy)]
        if not given:
            return
        found = self._measure(given, ["logprobs"], temperature=temperature)
        for row, known in zip(given, found["logprobs"], strict=True):
            mixed = zip(row.off_policy, known, row.sampler_logprobs, strict=True)
            row.old_logprobs = [own if is_given else other for is_given, own, other in mixed]

    def present(
        self, rows: Sequence[Row], update: int, temperature: float, *, width: int
    ) -> dict[str, Tensor]:
        """Return what parts ask of the present policy, each ``[N, width]``.

        Before the first update of a step the old log-probs are the present ones.
        """
        names = list(self._objective.statistics)
        same = update == 0 and self.filled and all(r.prompt == r.sampled_prompt for r in rows)
        asked = [name for name in names if not (same and name == "logprobs")]
        found = self._measure(rows, asked, temperature=temperature) if asked else {}
        if len(asked) < len(names):
            found["logprobs"] = [row.old_logprobs for row in rows]
        return {name: pad(found[name], width=width) for name in names}
