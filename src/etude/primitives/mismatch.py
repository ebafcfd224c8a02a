"""How far the log-probs of a sampler lie from the trainer's, for the same weights and tokens.

``old_logprobs`` are the trainer's and ``sampler_logprobs`` those that the engine drew by, both
``[N, T]``; ``mask [N, T]`` is 1 on the tokens that were drawn. With x = ℓ° − ℓ_sampler the ratio of
a token is exp(x), that of a sequence exp(Σ_t x), and its geometric mean exp(mean_t x).
"""

from __future__ import annotations

from torch import Tensor

from etude.primitives.masked import as_float, keep, row_mean
from etude.primitives.ratio import LOG_RATIO_LIMIT

#: What one ratio is of.
LEVELS = ("token", "sequence", "geometric")


def mismatch_ratio(
    old_logprobs: Tensor, sampler_logprobs: Tensor, mask: Tensor, level: str
) -> Tensor:
    """Return the ratio at every token, ``[N, T]``, 1 where the mask is 0; the log clamped to ±20.

    At the levels ``sequence`` and ``geometric`` all tokens of a row have the ratio of the row.
    """
    difference = keep(as_float(old_logprobs) - as_float(sampler_logprobs), mask)
    if level == "sequence":
        difference = difference.sum(-1, keepdim=True).expand_as(difference)
    elif level == "geometric":
        counted = (mask > 0).to(difference.dtype)
        difference = row_mean(difference, counted).unsqueeze(-1).expand_as(difference)
    return keep(difference.clamp(-LOG_RATIO_LIMIT, LOG_RATIO_LIMIT), mask).exp().detach()
