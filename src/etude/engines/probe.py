"""Whether an engine holds the trainer's weights: asked after every change of them, never assumed.

A fixed text of random tokens is read by both. The engine first samples the token behind it, which
goes through its cache of keys and values as any row does, then gives the log-probs of the text
itself, which do not; the trainer gives both in one pass. Four things must hold:

1. no parameter was left as it was by the load;
2. Σx and Σx² over the engine's parameters are those of the checkpoint (where they were for the
   weights that it was started with: some architectures keep them otherwise);
3. no log-prob differs by more than the tolerance of the dtype;
4. where the weights moved so far that it shows, the engine is nearer to the trainer's present
   log-probs than to those before.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from etude.engines.asked import Answer, Ask, Held, How, Link
from etude.errors import EngineError
from etude.randomness import generator

#: Largest difference of a log-prob, nats, by what the engine computes in.
TOLERANCE = {"float32": 1e-3, "float64": 1e-3, "bfloat16": 0.5, "float16": 0.1}

#: How often the noise of a fresh engine a shift must be for the fourth check to judge.
_CLEAR = 10.0


@dataclass(frozen=True)
class Seen:
    """Log-probs of the probe's text, and of the token that the engine drew behind it."""

    text: tuple[float, ...]
    drawn: float

    def distance(self, other: Seen) -> float:
        """Return the root of the mean square difference, nats."""
        pairs = [*zip(self.text, other.text, strict=True), (self.drawn, other.drawn)]
        return math.sqrt(sum((a - b) ** 2 for a, b in pairs) / len(pairs))


def text_of(vocabulary: int, block: int, positions: int | None) -> tuple[int, ...]:
    """Return the probe's tokens: more than two blocks of a cache, if there is room for them."""
    length = max(2, min(2 * block + 5, (positions or 1 << 30) - 2))
    drawn = generator("probe", vocabulary, length).integers(0, vocabulary, length)
    return tuple(int(token) for token in drawn)


def of_engine(link: Link, text: tuple[int, ...]) -> tuple[Seen, int]:
    """Return what an engine makes of a text, and the token that it drew behind it."""
    found: list[Answer] = []
    link.sample([Ask(0, text, 1, 1)], How(1.0), found.extend, lambda: None)
    (answer,) = found
    (scored,) = link.score([text])
    return Seen(tuple(scored), answer.logprobs[0]), answer.tokens[0]


class Probe:
    """Compares an engine with its trainer, and remembers how both were before."""

    def __init__(self, dtype: str, tolerance: float | None) -> None:
        #: Largest difference of a log-prob that is rounding, nats.
        self.tolerance = TOLERANCE.get(dtype, 0.5) if tolerance is None else tolerance
        self._noise: float | None = None
        self._before: Seen | None = None
        self._sums = False
        #: The largest difference of a log-prob at the last comparison, nats.
        self.difference = 0.0

    def begin(self, held: Held, wanted: Held) -> None:
        """Learn from a fresh engine whether its parameters add up as the checkpoint's do."""
        self._sums = _apart(held, wanted) is None and held.squares is not None

    def fault(self, engine: Seen, trainer: Seen, held: Held, wanted: Held) -> str | None:
        """Return what is wrong with an engine's weights, None where nothing is."""
        if held.missing:
            named = ", ".join(held.missing[:3])
            return f"it kept {len(held.missing)} parameters as they were ({named})"
        apart = _apart(held, wanted) if self._sums else None
        if apart is not None:
            return f"its weights are not those that were written: {apart}"
        worst = max(range(len(engine.text)), key=lambda at: abs(engine.text[at] - trainer.text[at]))
        self.difference = max(
            abs(engine.text[worst] - trainer.text[worst]), abs(engine.drawn - trainer.drawn)
        )
        told = (
            f"token {worst + 2} of the probe's text has log-prob {engine.text[worst]:.6f} there and"
            f" {trainer.text[worst]:.6f} here"
        )
        # nan is not within anything.
        if not abs(engine.text[worst] - trainer.text[worst]) <= self.tolerance:
            return f"{told}, and may differ by {self.tolerance:g}"
        if not abs(engine.drawn - trainer.drawn) <= self.tolerance:
            return (
                f"the token drawn behind the probe's text had log-prob {engine.drawn:.6f} there and"
                f" {trainer.drawn:.6f} here, and the text itself is as it should be: it reads keys"
                " and values of other weights from its cache"
            )
        return self._stale(engine, trainer)

    def _stale(self, engine: Seen, trainer: Seen) -> str | None:
        apart = engine.distance(trainer)
        before, self._before = self._before, trainer
        if self._noise is None:
            self._noise = apart
            return None
        if before is None:
            return None
        moved = trainer.distance(before)
        if moved > _CLEAR * max(self._noise, 1e-6) and engine.distance(before) < apart:
            return (
                f"its log-probs are those of the weights before: {apart:.2g} nats from the present"
                f" ones and {engine.distance(before):.2g} from those"
            )
        return None


def refuse(fault: str | None, what: str) -> None:
    """Raise EngineError where an engine does not hold the weights it should."""
    if fault is not None:
        raise EngineError(
            f"the engine does not sample from the trainer's weights {what}: {fault}. Nothing that "
            "it samples could be trusted; type rollout=transformers to go on without it, and "
            "rollout.probe_tolerance=NUMBER only where you know the difference to be rounding"
        )


def _apart(held: Held, wanted: Held) -> str | None:
    """Return how the sums of two copies differ, None where they do not or are not known."""
    if held.squares is None or wanted.squares is None:
        return None
    assert held.total is not None and wanted.total is not None  # both or none
    if not abs(held.squares - wanted.squares) <= 1e-10 * wanted.squares:
        return f"Σx² is {held.squares:.9g} and not {wanted.squares:.9g}"
    if not abs(held.total - wanted.total) <= 1e-9 * max(1.0, math.sqrt(wanted.squares)):
        return f"Σx is {held.total:.9g} and not {wanted.total:.9g}"
    return None


def same(now: Seen, before: Seen, tolerance: float) -> bool:
    """Return whether an engine makes of the text what it made of it before."""
    pairs: Sequence[tuple[float, float]] = list(zip(now.text, before.text, strict=True))
    return all(abs(a - b) <= tolerance for a, b in pairs)
