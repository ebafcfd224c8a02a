"""Decoding with several models at once: each reads on, and a part combines their logits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from torch import Tensor

from etude.errors import StageError
from etude.rollout.decoder import Decoder, Start
from etude.rollout.logits.interface import Logits
from etude.rollout.waves import Wave


class JoinedDecoder:
    """The decoders of several models over one wave, side by side, as one.

    Where models have vocabularies of several sizes (padding), the tokens that all of them have are
    drawn from. Forced prefixes have log-probs of 0.
    """

    def __init__(self, own: Decoder, others: Mapping[str, Decoder], part: Logits) -> None:
        self._own = own
        # Roles of equal weights may share an engine, and its decoder runs a wave once.
        self._others = dict(others)
        self._all = list({id(each): each for each in (own, *others.values())}.values())
        self._part = part
        #: Whether the part returned anything but the writing model's own logits.
        self.combined = False

    def suits(self, wave: Wave) -> bool:
        """Return whether every model's decoder does."""
        return all(each.suits(wave) for each in self._all)

    def begin(self, wave: Wave, prefixes: Sequence[int], temperature: float) -> Start:
        """Have every model read the contexts, and return the combined logits of the next token."""
        nothing = [0] * len(prefixes)
        starts = {id(each): each.begin(wave, nothing, temperature) for each in self._all}
        logits = self._combined({place: start.logits for place, start in starts.items()})
        return Start(logits, [[0.0] * length for length in prefixes])

    def step(self, tokens: Tensor) -> Tensor:
        """Append ``tokens [n]`` to the rows and return the next combined logits ``[n, V]``."""
        return self._combined({id(each): each.step(tokens) for each in self._all})

    def hold(self, rows: Tensor) -> None:
        """Let finished rows stand still until they leave."""
        for each in self._all:
            each.hold(rows)

    def keep(self, rows: Tensor) -> None:
        """Make row ``rows[i]`` row i, and drop those not named."""
        for each in self._all:
            each.keep(rows)

    def refresh(self) -> None:
        """Read every model's weights again."""
        for each in self._all:
            each.refresh()

    def _combined(self, logits: Mapping[int, Tensor]) -> Tensor:
        width = min(each.shape[-1] for each in logits.values())
        cut = {place: each[..., :width] for place, each in logits.items()}
        own = cut[id(self._own)]
        others = {role: cut[id(each)].to(own) for role, each in self._others.items()}
        found = self._part.combine(own, others)
        if found.shape != own.shape:
            raise StageError(
                f"rollout.logits={self._part.declaration.name} returned logits "
                f"{list(found.shape)} where {list(own.shape)} were to be combined"
            )
        self.combined = self.combined or found is not own
        return found
