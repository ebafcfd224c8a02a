"""Demonstrations that are longer than a stage allows, told when its data is opened."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from numpy.typing import NDArray

from etude.data_mix.form import Form
from etude.data_mix.share import OpenShare
from etude.errors import DataError
from etude.model.policy import Policy
from etude.model.taught_text import taught_tokens
from etude.rollout.fitting import Bound, oversized, share
from etude.rows import Example


class DemonstrationLimit:
    """How many tokens a demonstration may have with its prompt (``training.max_length``).

    ``columns`` are the texts that are taught; none: the response.
    """

    def __init__(self, policy: Policy, training: Any, columns: tuple[str, ...] = ()) -> None:
        self._policy = policy
        self._training = training
        self._columns = columns
        self._bound = Bound(policy)

    def fits(self, part: OpenShare, form: Form) -> NDArray[np.bool_]:
        """Say how many are longer; raises DataError where that is refused. Every row is kept.

        What becomes of a longer one is decided when it is drawn.
        """
        limit: int = self._training.max_length
        long = oversized(part, form, limit, self._most, self._tokens)
        if long:
            position, tokens = max(long.items(), key=lambda item: item[1])
            rows = f"pairs with a {' or '.join(self._columns)} answer" if self._columns else ""
            said = (
                f"data_mix.train.{part.name}: {len(long)} of {len(part)} {rows or 'demonstrations'}"
                f" ({share(len(long), len(part))}) are longer than training.max_length={limit}"
                f" (the longest, row {part.row(position)['id']}, has {tokens} tokens)"
            )
            if self._training.too_long == "refuse":
                raise DataError(
                    f"{said}\n  training.too_long=drop  leaves them out\n"
                    f"  training.too_long=cut   leaves out their ends{self._beware}\n"
                    f"  training.max_length={tokens}  takes them whole"
                )
            done = "left out" if self._training.too_long == "drop" else "cut"
            warnings.warn(f"{said}: they are {done}", stacklevel=4)
        return np.ones(len(part), dtype=bool)

    @property
    def _beware(self) -> str:
        return " (a cut answer may no longer deserve its label)" if self._columns else ""

    def _texts(self, example: Example) -> list[str]:
        if not self._columns:
            return [example.taught]
        return [str(example.columns.get(name) or "") for name in self._columns]

    def _most(self, example: Example) -> int:
        texts = [self._bound.text(text) for text in self._texts(example)]
        around = self._bound.around * len(example.turns)
        return self._bound.of_prompt(example) + max(texts) + around + 16

    def _tokens(self, example: Example) -> int:
        prompt = len(self._policy.encode_example(example))
        if example.turns and not self._columns:
            return prompt + len(taught_tokens(self._policy, example)[0])
        texts = [len(self._policy.encode_response(text)) for text in self._texts(example)]
        return prompt + max(texts)
