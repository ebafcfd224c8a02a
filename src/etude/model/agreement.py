"""Whether two ways to compute the same distributions come to the same numbers."""

from __future__ import annotations

import torch
from torch import Tensor

#: How far log-probs may differ by rounding, as a share of their spread, and the least and most.
_SHARE, _LEAST, _MOST = 5e-4, 2e-5, 1e-3

#: The same for weights of 16 bits, whatever the spread.
_NARROW = 0.25

#: Below this a token is so unlikely that narrow dtypes differ more.
_LIKELY = -12.0


def agree(mine: Tensor, expected: Tensor, dtype: torch.dtype) -> bool:
    """Return whether the log-probs of logits ``mine`` are those of ``expected``, both ``[…, V]``.

    ``dtype`` is that of the weights. Where a model's logits hardly differ from each other (it was
    just made, say) less is forgiven, as every fault is small there too.
    """
    wide = torch.float64 if mine.dtype == torch.float64 else torch.float32
    ours, theirs = (torch.log_softmax(logits.to(wide), -1) for logits in (mine, expected))
    if dtype in (torch.float32, torch.float64):
        spread = float(theirs.std(-1).mean())
        tolerance = min(max(_SHARE * spread, _LEAST), _MOST)
    else:
        tolerance = _NARROW
    # A number that is not finite compares as False.
    return bool(((ours - theirs).abs()[theirs > _LIKELY] <= tolerance).all())
