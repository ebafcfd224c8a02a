"""Which decoder serves a model: the fastest one that agrees with the model's own forward pass."""

from __future__ import annotations

import torch
from torch import Tensor

from etude.model.policy import Policy
from etude.rollout.decoder import Decoder
from etude.rollout.direct import DirectDecoder
from etude.rollout.growing import GrowingDecoder
from etude.rollout.slots import SlotDecoder
from etude.rollout.waves import Wave

#: From fastest to most general.
_CHOICES: tuple[type[DirectDecoder] | type[SlotDecoder], ...] = (DirectDecoder, SlotDecoder)

#: How far log-probs may differ for a decoder to count as right, by the dtype of the weights.
_TOLERANCE = {torch.float64: 1e-8, torch.float32: 1e-3}
_NARROW_TOLERANCE = 0.25


def choose_decoder(policy: Policy) -> Decoder:
    """Return the fastest decoder whose log-probs are those of the model's own forward pass.

    Models differ in how they use a cache and a mask; trying it on a few tokens is surer than any
    list of them.
    """
    with torch.inference_mode():
        for choice in _CHOICES:
            if choice.fits(policy):
                decoder = choice(policy)
                if agrees(decoder, policy):
                    return decoder
        return GrowingDecoder(policy)


def agrees(decoder: Decoder, policy: Policy) -> bool:
    """Return whether three rows decoded side by side get the log-probs of one forward pass each."""
    vocabulary = policy.causal_lm.config.get_text_config().vocab_size
    tokens = [(7 * i + 3) % vocabulary for i in range(8)]
    texts = (tokens[:7], tokens[2:8], tokens[4:8])
    steps = 3
    contexts = tuple(tuple(text[: len(text) - steps]) for text in texts)
    wave = Wave(rows=(0, 1, 2), contexts=contexts, context_of=(0, 1, 2), capacity=16)
    seen = [decoder.begin(wave, [0, 0, 0], 1.0).logits]
    for step in range(steps):
        column = [text[len(text) - steps + step] for text in texts]
        seen.append(decoder.step(torch.tensor(column, device=policy.device)))
    dtype = next(policy.model.parameters()).dtype
    tolerance = _TOLERANCE.get(dtype, _NARROW_TOLERANCE)
    for row, text in enumerate(texts):
        ids = torch.tensor([text], device=policy.device)
        expected = policy.logits_of(policy.states(input_ids=ids, use_cache=False))
        mine = torch.stack([logits[row] for logits in seen])
        if not _close(mine, expected[0, -steps - 1 :], tolerance):
            return False
    return True


def _close(mine: Tensor, expected: Tensor, tolerance: float) -> bool:
    wide = torch.float64 if mine.dtype == torch.float64 else torch.float32
    difference = torch.log_softmax(mine.to(wide), -1) - torch.log_softmax(expected.to(wide), -1)
    # Only where a token is at all likely: far in the tail narrow dtypes differ more.
    likely = torch.log_softmax(expected.to(wide), -1) > -12
    return bool((difference.abs()[likely] <= tolerance).all())
