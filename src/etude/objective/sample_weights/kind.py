"""The slot of the supervised objective: how much each demonstration of a step counts.

    L = Σ_i w_i / Σ_j w_j · (token loss of demonstration i, averaged over its tokens)

N is the number of demonstrations of a step, over all ranks.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from torch import Tensor


@dataclass(frozen=True)
class Samples:
    """The demonstrations of a step, before it moves the model.

    ``losses [N]`` are the mean negative log-probs of their trained tokens by the model as it is
    (float64; zeros for weights that do not read them), ``tokens [N]`` how many these are, and
    ``seeds [N]`` key random choices. ``columns`` are those of each row. ``step`` (of ``steps``) is
    the number of the step.
    """

    losses: Tensor
    tokens: Tensor
    seeds: Tensor
    columns: Sequence[Mapping[str, Any]]
    step: int
    steps: int


class SampleWeights(ABC):
    """Says how much each demonstration of a step counts, by the losses of all of them."""

    #: False for one that leaves every token to count as the objective's denominator says.
    active: ClassVar[bool] = True
    #: False where the losses are not looked at, which saves the pass that measures them.
    reads_losses: ClassVar[bool] = True

    def make_state(self) -> Any:
        """Return the state at the start of a stage, with ``state_dict`` and ``load_state_dict``."""
        return None

    @abstractmethod
    def weigh(self, samples: Samples, state: Any) -> Tensor:
        """Return the weight of each demonstration, ``[N]``, 0 or more; only shares count."""
