"""An evaluation under a name of its own: what in it differs from the stage's."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from etude.component import slot


@dataclass(frozen=True)
class Named:
    """What an evaluation measures by; whatever is not set is as the stage has it."""

    evaluation: Any = slot(
        "", "how a model is measured; null: as evaluation", group="evaluation", follows=True
    )
    data_mix: Any = slot(
        "",
        "the rows it is measured on, its held_out; null: the stage's",
        group="data_mix",
        follows=True,
    )
    verifier: Any = slot(
        "", "what judges its answers; null: the stage's", group="verifier", follows=True
    )
    rollout: Any = slot(
        "", "how its answers are sampled; null: the stage's", group="rollout", follows=True
    )
    environment: Any = slot(
        "",
        "what its episodes are played with; null: the stage's",
        group="environment",
        follows=True,
    )
