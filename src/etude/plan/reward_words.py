"""How a stage's rows are rewarded, in words: parts, weights, shaping and who judges."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from etude.plan.component_words import ComponentWords
from etude.plan.quantities import number


class RewardWords(ComponentWords):
    """Says what a stage's rows are rewarded for."""

    def reward(self) -> str:
        """Return how rows are rewarded, or nothing for a learner that samples none."""
        if not self._is.samples:
            return ""
        weighting = self._node("reward_weighting")
        weights = weighting.get("weights")
        if isinstance(weights, Mapping) and weights:
            said = " + ".join(f"{part} {number(weight)}" for part, weight in weights.items())
            offset = weighting.get("offset") or 0
            said += f" {'-' if offset < 0 else '+'} {number(abs(offset))}" if offset else ""
            said += self._unweighted(weights)
        elif "weights" in weighting and weights is None:
            own = self._own_parts()
            said = f"{' + '.join(own) or 'every part'}, each once" if len(own) != 1 else own[0]
        else:
            said = self.component("reward_weighting", weighting) or "none"
        parts = [said]
        shaping = list(self._many("shaping"))
        if shaping:
            parts.append("shaped by " + ", ".join(shaping))
        verifier = self._node("verifier")
        if verifier:
            parts.append(f"verifier: {self.component('verifier', verifier)}")
        return " · ".join(parts)

    def _own_parts(self) -> tuple[str, ...]:
        """Return the parts that a verifier by path is known to give."""
        info = self.schema.find("verifier", str(self._node("verifier").get("name")))
        return (info.place.parts or ()) if info is not None and info.place is not None else ()

    def _unweighted(self, weights: Mapping[str, Any]) -> str:
        """Return which parts of a verifier by path have no weight."""
        rest = [part for part in self._own_parts() if part not in weights]
        return f" ({', '.join(rest)} only logged)" if rest else ""
