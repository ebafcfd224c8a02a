"""The models a stage may ask for beside the one it trains, by role."""

from __future__ import annotations

from dataclasses import dataclass

from etude.component import component, entries
from etude.models.role import Role


@component()
@dataclass(frozen=True)
class Default:
    """Other models by role, each opened only where something asks for it."""

    roles: dict[str, Role] = entries(
        {"reference": Role("start"), "critic": Role("start")},
        "any role under its own name, ROLE: WHAT for short: reference (what the trained model is "
        "held to), teacher (whose distributions it imitates), critic (what an own critic begins "
        "as), and whatever a component names; null takes one away",
        short="load",
    )
