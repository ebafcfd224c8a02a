"""How the parts of a verifier by path, or of environments, are weighed where nobody says: once.

The weights that a reward weighting has by default are those of etude's own verifiers. A function
whose parts are others would be refused for them, or would lose parts without a word.
"""

from __future__ import annotations

from typing import Any

from etude.config.declared_parts import declared
from etude.config.needs import walk
from etude.entries import Schema
from etude.environment.interface import PARTS


def fitting(weighting: Any, verifier: Any, schema: Schema) -> Any:
    """Return a stage's reward weighting as it fits the verifier by path that the stage has.

    Weights that weigh exactly the parts that the function is known to give stay as they are. Of
    weights that were changed, those of parts that it does not give and that nobody changed are
    left out. A verifier that wraps others gives their parts, too.
    """
    if not isinstance(weighting, dict) or not isinstance(verifier, dict):
        return weighting
    info = schema.find("reward_weighting", str(weighting.get("name")))
    field = info.fields.get("weights") if info is not None else None
    given = schema.find("verifier", str(verifier.get("name")))
    place = given.place if given is not None else None
    if field is None or not field.optional or given is None:
        return weighting
    default: Any = field.default
    if any(need.what == PARTS for need in given.provides):
        return {**weighting, "weights": None} if weighting.get("weights") == default else weighting
    if place is None:
        return weighting
    weights, parts = weighting.get("weights"), set(place.parts or ())
    if not isinstance(weights, dict) or parts == set(default):
        return weighting
    inside = list(walk(verifier, "verifier", "verifier", schema))
    if any(each.info.group == "verifier" for each in inside[1:]):
        parts = set(declared(inside) or ())
        if parts >= set(default):  # what it wraps is weighed as it is without it
            return weighting
    if weights == default:
        return {**weighting, "weights": None}
    if not parts:
        return weighting
    kept = {
        name: weight
        for name, weight in weights.items()
        if name in parts or name not in default or default[name] != weight
    }
    return {**weighting, "weights": kept}
