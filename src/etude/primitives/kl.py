"""Estimators of KL(π‖ref) from sampled tokens, and the exact KL of full distributions.

With x = ℓ − ℓʳ of a token sampled from π: k1 = x, k2 = x²/2, k3 = e^{−x} + x − 1, abs = |x|.
k1 and k3 estimate the value well, but only k2 has the gradient of KL(π‖ref) when differentiated;
a name ending in ``+`` has the value of its estimator and the gradient of k2.
"""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor

from etude.errors import ConfigError, Fault
from etude.primitives.ratio import log_ratio

#: k3 is clamped to ± this, as in verl: one token cannot dominate a batch.
K3_LIMIT = 10.0


def _k3(logprobs: Tensor, reference: Tensor) -> Tensor:
    minus_x = log_ratio(reference, logprobs)
    return (minus_x.exp() - minus_x - 1.0).clamp(-K3_LIMIT, K3_LIMIT)


_ESTIMATORS: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "k1": lambda logprobs, reference: logprobs - reference,
    "k2": lambda logprobs, reference: 0.5 * (logprobs - reference).square(),
    "k3": _k3,
    "abs": lambda logprobs, reference: (logprobs - reference).abs(),
}

#: Every name that :func:`kl_estimate` knows.
KL_ESTIMATORS = (*_ESTIMATORS, *(f"{name}+" for name in _ESTIMATORS))


def kl_estimate(logprobs: Tensor, reference: Tensor, estimator: str) -> Tensor:
    """Return the estimate of KL(π‖ref) at every token, ``[N, T]``.

    Raises ConfigError when ``estimator`` is none of :data:`KL_ESTIMATORS`.
    """
    if estimator not in KL_ESTIMATORS:
        known = ", ".join(KL_ESTIMATORS)
        raise ConfigError([Fault(f"estimator={estimator}", f"is none of {known}.")])
    value = _ESTIMATORS[estimator.removesuffix("+")](logprobs, reference)
    if not estimator.endswith("+"):
        return value
    surrogate = _ESTIMATORS["k2"](logprobs, reference)
    return surrogate - surrogate.detach() + value.detach()


def full_kl(logits: Tensor, reference_logits: Tensor) -> Tensor:
    """Return KL(π‖ref) of the whole distributions, ``[N, T]`` from logits ``[N, T, V]``."""
    log_p = logits.log_softmax(-1)
    return (log_p.exp() * (log_p - reference_logits.log_softmax(-1))).sum(-1)
