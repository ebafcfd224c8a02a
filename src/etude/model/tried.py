"""A model as far as trying how it reads is concerned."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Any, Protocol

import torch
from torch import Tensor, nn


class Tried(Protocol):
    """What a :class:`etude.model.policy.Policy` shows to whoever tries how it reads texts."""

    @property
    def name(self) -> str:
        """Return what messages call it."""

    @property
    def model(self) -> nn.Module:
        """Return the module with its weights."""

    @property
    def causal_lm(self) -> Any:
        """Return the transformers model."""

    @property
    def device(self) -> torch.device:
        """Return where it lies."""

    @property
    def compute_dtype(self) -> torch.dtype:
        """Return the type that its passes are made in."""

    @property
    def pad_id(self) -> int:
        """Return the token that fills rows up."""

    @property
    def shards(self) -> Any:
        """Return how its weights are cut over ranks, None where they are whole."""

    def measuring(self) -> AbstractContextManager[Any]:
        """Be in a state without dropout for the block."""

    def precision(self) -> AbstractContextManager[Any]:
        """Make passes in the compute type for the block."""

    def states(self, **inputs: Any) -> Tensor:
        """Return what :meth:`logits_of` turns into logits, ``[N, S, ·]``."""

    def logits_of(self, states: Tensor) -> Tensor:
        """Return the logits of states."""
