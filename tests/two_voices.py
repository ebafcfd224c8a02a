# two_voices.py: tokens that the policy draws together with another model
from dataclasses import dataclass

import torch

from etude.component import Need, component, option
from etude.rollout.logits.interface import Logits


@component(requires=[Need("model:{other}", why="to draw answers together with it")])
@dataclass(frozen=True)
class Mixture(Logits):
    """Every token is the other model's with a small probability, else the policy's own."""

    other: str = option("guide", "the role of models that has a say")
    share: float = option(0.2, "how often a token is the other model's", ge=0, le=1)

    def combine(self, own, others):
        if self.share == 0:
            return own
        mine = own.log_softmax(-1) + torch.log1p(torch.tensor(-self.share))
        theirs = others[self.other].log_softmax(-1) + torch.log(torch.tensor(self.share))
        return torch.logaddexp(mine, theirs)


def contrast(logits, guide_logits, *, weight: float = 0.3):
    """What the policy finds likelier than the other model does."""
    return logits + weight * (logits - guide_logits)
