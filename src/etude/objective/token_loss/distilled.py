"""Distillation from a teacher's logits, mixed with the likelihood of the teacher's text.

    α·τ²·KL(teacher ‖ student, both at temperature τ) + (1 − α)·(−ℓ)

The KL is over the whole vocabulary, the teacher first: the student is pulled towards everything
the teacher finds likely. τ² keeps the size of the gradient when τ changes. With α = 0 it is plain
supervised learning on the teacher's text (sequence-level distillation), which is what
arXiv 2505.14216 and arXiv 2306.02707 do, and no teacher is loaded. The KL and its τ² are those of
arXiv 1503.02531.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from etude.component import Need, component, option
from etude.objective.loss import TokenLoss, token_metric
from etude.objective.token_loss.kind import DemonstrationLoss, Taught
from etude.primitives.kl import full_kl


@component(
    source="arXiv 1503.02531",
    requires=(Need("model:teacher", when="alpha > 0", why="whose logits the student matches"),),
)
@dataclass(frozen=True)
class Distilled(DemonstrationLoss):
    """KL from a teacher's distributions beside the negative log-likelihood of its text."""

    words: ClassVar[str] = "likelihood[, {alpha} of it the teacher's at temperature {tau}]"

    alpha: float = option(
        0.0, "share of the teacher's logits; 0: its text alone, without a teacher", ge=0, le=1
    )
    tau: float = option(1.0, "temperature of both distributions in the KL", gt=0)

    def loss(self, taught: Taught) -> TokenLoss:
        """Return the mixture for every token, ``[N, T]``."""
        nll = -taught.logprobs
        if self.alpha == 0:
            return TokenLoss(nll)
        teacher, student = taught.teacher_logits(), taught.logits()
        # Models of one tokenizer may pad their output matrices to different widths.
        width = min(teacher.shape[-1], student.shape[-1])
        kl = full_kl(teacher[..., :width] / self.tau, student[..., :width] / self.tau)
        return TokenLoss(
            self.alpha * self.tau**2 * kl + (1 - self.alpha) * nll,
            {"objective/teacher_kl": token_metric(kl, taught.mask)},
        )
