"""`etude measure`: what finished stages, evaluations and checkpoints tell beside each other."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence

from etude.cli.texts import MEASURE
from etude.errors import ConfigError, Fault

#: What is measured; each is the `main` of a module of its own.
KINDS = {
    "capability": "etude.measures.show_capability",
    "checkpoints": "etude.measures.show_choosing",
    "dissection": "etude.measures.show_dissection",
    "regularity": "etude.measures.show_regularity",
    "scaling": "etude.measures.show_scaling",
    "tampering": "etude.measures.show_tampering",
    "transfer": "etude.measures.show_transfer",
    "weights": "etude.measures.show_weights",
}


def main(words: Sequence[str]) -> int:
    """Measure what the first word says."""
    if not words or words[0] in ("-h", "--help", "help"):
        print(MEASURE, end="")
        return 0
    kind, *rest = words
    if kind not in KINDS:
        from etude.config.spelling import did_you_mean, listed

        near = did_you_mean(kind, KINDS)
        raise ConfigError(
            [Fault(f"etude measure {kind}", f"is no measure.{near} There are {listed(KINDS)}.")]
        )
    measure: Callable[[Sequence[str]], int] = importlib.import_module(KINDS[kind]).main
    return measure(rest)
