"""Which decoder serves a wave: the fastest one that agrees with the model's own forward pass.

Models differ in how they use a cache, a mask and positions, and some change at certain lengths.
Trying it, at the lengths that a wave reaches, is surer than any list of them.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence

import torch
from torch import Tensor

from etude.errors import ModelError
from etude.model.agreement import agree
from etude.model.lengths import Lengths, alone, sample_text
from etude.model.policy import Policy
from etude.rollout.aligned import AlignedDecoder
from etude.rollout.decoder import Decoder
from etude.rollout.direct import DirectDecoder
from etude.rollout.growing import GrowingDecoder
from etude.rollout.plain import PlainDecoder
from etude.rollout.slots import SlotDecoder
from etude.rollout.waves import Wave

Kind = (
    type[DirectDecoder]
    | type[SlotDecoder]
    | type[GrowingDecoder]
    | type[AlignedDecoder]
    | type[PlainDecoder]
)

#: From fastest to most general.
_CHOICES: tuple[Kind, ...] = (
    DirectDecoder,
    SlotDecoder,
    GrowingDecoder,
    AlignedDecoder,
    PlainDecoder,
)

#: What is said, once, where a model is served by a decoder that takes many passes a step.
_SLOW: dict[Kind, str] = {
    AlignedDecoder: "padding would change what it reads, so prompts of different lengths are "
    "sampled in turn",
    PlainDecoder: "its cache does not give the numbers of its forward pass, so every token is "
    "sampled by reading the whole text again",
}

#: Tokens decoded one by one in a trial.
_STEPS = 5

#: Contexts of a trial at no particular length: more than one, of several lengths.
_SHORT = (4, 3, 1)


class Decoders:
    """The decoders of one engine: each wave gets the fastest that is right at its lengths.

    Which one that is follows from the model and the wave alone. Raises ModelError where none is
    right, when it is made.
    """

    def __init__(self, policy: Policy) -> None:
        self._policy = policy
        self.lengths = Lengths(policy)
        self._made: dict[Kind, Decoder] = {}
        self._found: dict[tuple[Kind, int], str | None] = {}
        self._said: set[Kind] = set()
        # A wave below every turning point, so that what fits no model is refused at once.
        self.of(Wave(rows=(0,), contexts=((0,),), context_of=(0,), capacity=1))

    def of(self, wave: Wave) -> Decoder:
        """Return the decoder for a wave; raises ModelError where none is right."""
        shortest = min(len(context) for context in wave.contexts)
        tried = [0, *(p for p in self.lengths.points if p < max(wave.capacity, wave.columns))]
        tried = [p for p in tried if not p or p < shortest or not self.lengths.breaks(p)]
        reason: str | None = None
        for kind in _CHOICES:
            if not kind.fits(self._policy):
                continue
            decoder = self._decoder(kind)
            if not decoder.suits(wave):
                continue
            reason = next((why for why in (self._fault(kind, p) for p in tried) if why), None)
            if reason is None:
                self._say(kind)
                return decoder
        raise ModelError(
            f"{self._policy.name} cannot be sampled from: {reason}; choose a causal language model"
        )

    def refresh(self) -> None:
        """Read the policy's weights again."""
        for decoder in self._made.values():
            decoder.refresh()

    def _decoder(self, kind: Kind) -> Decoder:
        if kind not in self._made:
            self._made[kind] = kind(self._policy)
        return self._made[kind]

    def _fault(self, kind: Kind, point: int) -> str | None:
        """Return what is wrong with a kind of decoder at a length, None where it is right."""
        key = (kind, point)
        if key not in self._found:
            contexts = _SHORT if not point else self._around(point)
            self._found[key] = fault(self._decoder(kind), self._policy, contexts)
        return self._found[key]

    def _around(self, point: int) -> tuple[int, ...]:
        """Return lengths of contexts that come to a turning point, lie beyond it, and before it."""
        if self.lengths.breaks(point):
            return (point + 1, point + 4)
        below = max((p for p in self.lengths.breaks_below(point)), default=0)
        return (max(point - 2, below + 1), point + 1, below + 1)

    def _say(self, kind: Kind) -> None:
        if kind in _SLOW and kind not in self._said:
            self._said.add(kind)
            warnings.warn(
                f"{self._policy.name} is sampled slowly: {_SLOW[kind]}",
                RuntimeWarning,
                stacklevel=2,
            )


def fault(decoder: Decoder, policy: Policy, lengths: Sequence[int]) -> str | None:
    """Return how rows decoded side by side differ from a forward pass each; None if they do not.

    There is a row for each length of a context and a second one of the first; half-way all but the
    last two leave.
    """
    rows = [*range(len(lengths)), 0]
    contexts = [sample_text(policy, length, 50 * i) for i, length in enumerate(lengths)]
    texts = [
        [*contexts[c], *sample_text(policy, _STEPS, 1000 + 10 * row)] for row, c in enumerate(rows)
    ]
    wave = Wave(
        rows=tuple(range(len(rows))),
        contexts=tuple(map(tuple, contexts)),
        context_of=tuple(rows),
        capacity=max(lengths) + _STEPS + 1,
    )
    stay = rows.index(0, 1), len(rows) - 2
    try:
        start = decoder.begin(wave, [0] * len(lengths), 1.0).logits
        seen = [start[torch.tensor(rows, device=policy.device)]]
        live = list(range(len(rows)))
        for step in range(_STEPS):
            column = [texts[row][len(contexts[rows[row]]) + step] for row in live]
            seen.append(decoder.step(torch.tensor(column, device=policy.device)))
            if step == _STEPS // 2:
                gone = torch.tensor([row for row in live if row not in stay], device=policy.device)
                decoder.hold(gone)
                live = list(stay)
                decoder.keep(torch.tensor(live, device=policy.device))
        return _difference(seen, stay, texts, policy)
    except torch.OutOfMemoryError:
        raise
    except Exception as error:
        # What a model says to inputs that are not for it has no common type.
        return f"{type(error).__name__}: {str(error).strip().splitlines()[0] if str(error) else ''}"


def _difference(
    seen: Sequence[Tensor], stay: tuple[int, int], texts: list[list[int]], policy: Policy
) -> str | None:
    for row, text in enumerate(texts):
        expected = policy.logits_of(alone(policy, text)[-_STEPS - 1 :])
        here = [logits[row] for logits in seen if len(logits) > row and len(logits) == len(texts)]
        if row in stay:
            here += [logits[stay.index(row)] for logits in seen if len(logits) != len(texts)]
        if not agree(torch.stack(here), expected[: len(here)], policy.compute_dtype):
            return "tokens decoded one by one get other log-probs than in one forward pass"
    return None
