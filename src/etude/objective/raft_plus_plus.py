"""RAFT++ (arXiv 2504.11343): rejection sampling with importance ratio and clip.

    L = −1/tokens Σ_i Σ_t min(r_it, clip(r_it, 1 − ε, 1 + ε))   over the right answers, ε = 0.2

Written down from the published formula, whose token mean is over the update batch.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from etude.component import component, slot, slots
from etude.objective.parts import Advantage, Selection
from etude.objective.policy_gradient import PolicyGradient


@component(source="arXiv 2504.11343")
@dataclass(frozen=True)
class RAFTPlusPlus(PolicyGradient):
    """The clipped ratio of the right answers alone, each token of them alike."""

    advantage: Advantage = slot("constant", "how rewards become advantages")
    selection: Mapping[str, Selection] = slots(
        "correct", doc="rows and tokens taken out after advantages"
    )
