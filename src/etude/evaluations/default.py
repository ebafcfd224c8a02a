"""The evaluations of a stage beside ``evaluation``, by name."""

from __future__ import annotations

from dataclasses import dataclass

from etude.component import component, entries
from etude.evaluations.named import Named


@component()
@dataclass(frozen=True)
class Default:
    """Evaluations beside the one called main, each under its name and with rows of its own."""

    named: dict[str, Named] = entries(
        {},
        "any evaluation under its own name, which follows evaluation and the stage where it sets "
        "nothing: ood.verifier, ood.data_mix.held_out, ood.evaluation.samples; null takes one away",
    )
