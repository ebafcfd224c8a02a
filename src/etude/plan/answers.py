"""How many answers a stage of groups samples for a prompt, as far as its config tells."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from etude.component import UNEQUAL_SIZES
from etude.config.conditions import holds
from etude.schema import ComponentInfo, Schema


@dataclass(frozen=True)
class Answers:
    """The most answers a prompt gets on the average of a batch; ``fewer`` where it may be less.

    ``budget`` is the component that decides, None where sizes are as the config has them.
    """

    most: int
    fewer: bool = False
    budget: ComponentInfo | None = None


def answers(config: Mapping[str, Any], schema: Schema) -> Answers:
    """Return how many answers a prompt of a resolved stage config gets."""
    training = config.get("training") or {}
    own = int(training.get("rollouts_per_prompt") or 0)
    node = (config.get("rollout") or {}).get("budget")
    if not isinstance(node, Mapping):
        return Answers(own)
    info = schema.of("rollout/budget", node)
    if info is None or info.name == "uniform":
        return Answers(own)
    said = node.get(info.at_most) if info.at_most else None
    unequal = any(n.what == UNEQUAL_SIZES and holds(n.when, node) for n in info.provides)
    return Answers(int(said or own), bool(said) and unequal, info)
