"""D3S (arXiv 2509.22115): GRPO on the rows and tokens that carry the most signal.

    L = 1/kept tokens Σ_kept max(−A_i·r_it, −A_i·clip(r_it, 0.8, 1.2))
    A = (R − mean_g)/(std_g + ε)

Advantages come first, from whole groups. Then the rows whose advantages vary most are kept, and of
their tokens those with the largest |A|·H. Both shares grow to 1 over the stage. The two parts join
any objective: ``objective=gspo objective/selection=[d3s_rows]``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from etude.component import component, slots
from etude.objective.parts import Selection
from etude.objective.policy_gradient import PolicyGradient


@component(source="arXiv 2509.22115")
@dataclass(frozen=True)
class D3S(PolicyGradient):
    """Group-relative advantages on growing shares of the most telling rows and tokens."""

    selection: Mapping[str, Selection] = slots(
        "d3s_rows", "d3s_tokens", doc="rows and tokens taken out after advantages"
    )
