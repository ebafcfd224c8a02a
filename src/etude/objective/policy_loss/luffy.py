"""LUFFY (arXiv 2504.14945): the ratio to a demonstrator who is sure, bent for unlikely tokens.

    own tokens            L = −A·r,   r = exp(ℓ − ℓ°)
    demonstrated tokens   L = −A·v,   v = p / (p + 0.1),   p = exp(ℓ)

The demonstrator's probability counts as 1, so its ratio is p itself; v keeps a gradient on tokens
the policy finds unlikely (p·γ/(p + γ)², largest at p = γ). Other forms of ``off_reshape``, with
w = ``off_weight`` and e = ``off_exponent``:

    no_reshape p    p_div_p_γ p/(p + γ)    logp w·ℓ    p_logp w·ℓ + p    square_root √p    pow p^e

``own_reshape`` bends r likewise: logp is ℓ − ℓ°, p_logp r + w·(ℓ − ℓ°), p_div_p_γ f(p)/f(p°).
Clip, expert and bounds are those of every mixed loss (``mixed.py``).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from etude.component import component, option
from etude.objective.policy_loss.mixed import MIXED_NEEDS, MIXED_PROVIDES, Mixed
from etude.primitives.off_policy import probability, saturated, saturated_ratio
from etude.primitives.ratio import log_ratio

#: γ by the name of a form.
_GAMMAS = {"p_div_p_0.1": 0.1, "p_div_p_0.3": 0.3, "p_div_p_0.5": 0.5}


@component(source="arXiv 2504.14945", requires=MIXED_NEEDS, provides=MIXED_PROVIDES)
@dataclass(frozen=True)
class Luffy(Mixed):
    """The policy's own ratio, and a bent probability for demonstrated tokens."""

    words: ClassVar[str] = "-advantage × ratio[, clip {clip}], demonstrated tokens by {off_reshape}"

    off_reshape: str = option(
        "p_div_p_0.1",
        "form of a demonstrated token's probability: no_reshape | p_div_p_0.1 | p_div_p_0.3 | "
        "p_div_p_0.5 | logp | p_logp | square_root | pow",
        choices=("no_reshape", *_GAMMAS, "logp", "p_logp", "square_root", "pow"),
    )
    off_weight: float = option(0.1, "w of logp and p_logp for demonstrated tokens")
    off_exponent: float = option(0.5, "e of pow for demonstrated tokens", gt=0)
    own_reshape: str = option(
        "no_reshape",
        "form of an own token's ratio: no_reshape | p_div_p_0.1 | p_div_p_0.5 | logp | p_logp | "
        "square_root | pow",
        choices=(
            "no_reshape",
            "p_div_p_0.1",
            "p_div_p_0.5",
            "logp",
            "p_logp",
            "square_root",
            "pow",
        ),
    )
    own_weight: float = option(0.1, "w of p_logp for own tokens")
    own_exponent: float = option(0.5, "e of pow for own tokens", gt=0)

    def own(self, logprobs: Tensor, old_logprobs: Tensor) -> Tensor:
        """Return the ratio of own tokens in its form, ``[N, T]``."""
        if self.own_reshape in _GAMMAS:
            return saturated_ratio(logprobs, old_logprobs, _GAMMAS[self.own_reshape])
        if self.own_reshape == "logp":
            return logprobs - old_logprobs
        log = log_ratio(logprobs, old_logprobs)
        if self.own_reshape == "p_logp":
            return log.exp() + self.own_weight * (logprobs - old_logprobs)
        exponents = {"no_reshape": 1.0, "square_root": 0.5, "pow": self.own_exponent}
        return (exponents[self.own_reshape] * log).exp()

    def demonstrated(self, logprobs: Tensor, old_logprobs: Tensor) -> Tensor:
        """Return the probability of demonstrated tokens in its form, ``[N, T]``."""
        if self.off_reshape in _GAMMAS:
            return saturated(logprobs, _GAMMAS[self.off_reshape])
        if self.off_reshape == "logp":
            return self.off_weight * logprobs
        if self.off_reshape == "p_logp":
            return self.off_weight * logprobs + probability(logprobs)
        exponents = {"no_reshape": 1.0, "square_root": 0.5, "pow": self.off_exponent}
        return (exponents[self.off_reshape] * logprobs).exp()
