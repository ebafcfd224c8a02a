"""Which sources a stage trains on, and which its evaluations measure on."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

from etude.config.needs import words_in
from etude.config.role_stages import mixes_of
from etude.config.sharing import ByIdentity

#: The key of a data mix that holds the rows that are measured on.
HELD_OUT = "held_out"


class SourcesRead:
    """Answers for the configs of one plan; what they share is looked at once."""

    def __init__(self) -> None:
        self._mixes: ByIdentity[Any] = ByIdentity()
        self._used: ByIdentity[list[str]] = ByIdentity()

    def training(self, config: Mapping[str, Any]) -> list[str]:
        """Return the sources whose rows a stage trains on, its policy and its other models."""
        own = self._named(config, self.training_mix(config))
        others = mixes_of(config)
        found = (self._named(config, self._mixes.of(partial(_training_mix, m), m)) for m in others)
        return sorted({*own, *(name for names in found for name in names)}) if others else own

    def held_out(self, config: Mapping[str, Any]) -> list[str]:
        """Return the sources whose rows an evaluation under a config measures on."""
        mix = config.get("data_mix") or {}
        return self._named(config, mix.get(HELD_OUT, mix))

    def training_mix(self, config: Mapping[str, Any]) -> Any:
        """Return the data mix of a config as far as it can change what is trained on."""
        mix = config.get("data_mix")
        return self._mixes.of(lambda: _training_mix(mix), mix)

    def _named(self, config: Mapping[str, Any], node: Any) -> list[str]:
        """Return the sources that ``node`` of a stage config mentions; all if it names none."""
        sources = config.get("sources")

        def used() -> list[str]:
            names = set(sources or {})
            return sorted(names & words_in(node)) or sorted(names)

        return self._used.of(used, node, sources)


def _training_mix(mix: Any) -> Any:
    """Return a data mix without the held-out rows, where those cannot change what is trained on."""
    if not isinstance(mix, Mapping) or mix.get("overlap") == "remove":
        return mix
    return {**mix, HELD_OUT: None}
