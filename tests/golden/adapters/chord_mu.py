"""CHORD's schedule of the weight of demonstrations."""

from __future__ import annotations

from typing import Any

from etude.objective.imitation.chord import Chord

METHOD = "chord"
CONFIG = {"kind", "mu_warmup_steps"}
INPUTS = {"steps"}


def run(case: Any) -> None:
    config = case.config
    imitation = config.choose("kind", {"mu_schedule": Chord})(
        mu_warmup_steps=config.take("mu_warmup_steps"),
        mu_decay_steps=config.take("mu_decay_steps"),
        mu_peak=config.take("mu_peak"),
        mu_valley=config.take("mu_valley"),
    )
    case.check("mu", [imitation.mu(step) for step in case.inputs.take("steps")])
