"""What an engine beside the trainer is asked and what it answers: plain values that travel."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from etude.errors import EngineError


@dataclass(frozen=True)
class How:
    """How tokens are drawn, and what ends a row: tokens of ``ends``, texts of ``stop``."""

    temperature: float
    top_p: float = 1.0
    top_k: int = 0
    ends: tuple[int, ...] = ()
    stop: tuple[str, ...] = ()


@dataclass(frozen=True)
class Ask:
    """One row: the tokens it follows, the last ``forced`` of which belong to it.

    ``place`` names it in the answer. It gets at most ``limit`` new tokens; with 0 only the
    log-probs of the forced ones are asked for.
    """

    place: int
    tokens: tuple[int, ...]
    seed: int
    limit: int
    forced: int = 0


@dataclass(frozen=True)
class Answer:
    """New tokens of a row with their log-probs, those of the forced ones, and why it ended.

    ``reason`` is a value of :class:`etude.rows.StopReason`.
    """

    place: int
    tokens: tuple[int, ...]
    logprobs: tuple[float, ...]
    forced: tuple[float, ...]
    reason: str


@dataclass(frozen=True)
class Held:
    """What an engine says of the weights in its memory: sums of all numbers, and what it lacks.

    ``total`` and ``squares`` are Σx and Σx² in float64 over its parameters, each counted once; None
    where the weights are cut over several processes. ``missing`` are parameters that the last load
    left as they were.
    """

    total: float | None
    squares: float | None
    missing: tuple[str, ...] = ()

    @classmethod
    def of(cls, workers: Sequence[Mapping[str, Any]]) -> Held:
        """Return what the workers of an engine hold together, of what each says."""
        missing = tuple(sorted({name for each in workers for name in each["missing"]}))
        if len(workers) > 1:
            return cls(None, None, missing)
        return cls(workers[0]["total"], workers[0]["squares"], missing)


@dataclass(frozen=True)
class About:
    """An engine's name and version, tokens a block of its cache, and the weights it began with."""

    engine: str
    block: int
    held: Held


Ended = Callable[[Sequence[Answer]], None]


class EngineLost(EngineError):
    """An engine that is gone or is to be ended, and may be started again; ``how`` says why.

    ``how`` is one of ``died``, ``hung``, ``memory``, ``failed`` and ``refused`` (it would fail
    again).
    """

    def __init__(self, how: str, message: str) -> None:
        super().__init__(message)
        self.how = how

    def __reduce__(self) -> tuple[Any, ...]:
        return EngineLost, (self.how, str(self))


class Link(Protocol):
    """How an engine is reached. Every method raises EngineLost where the engine fails."""

    def start(self, folder: str) -> About:
        """Start it with the weights in a folder; one that runs already takes them over."""

    def sample(self, asks: Sequence[Ask], how: How, ended: Ended, idle: Callable[[], None]) -> None:
        """Sample rows, and tell of each as it ends; ``idle`` is called in between."""

    def score(self, texts: Sequence[tuple[int, ...]]) -> list[list[float]]:
        """Return the log-probs of the tokens of texts from the second on, at temperature 1."""

    def load(self, folder: str) -> Held:
        """Take over the whole checkpoint in a folder."""

    def forget(self) -> None:
        """Forget the keys and values of other weights."""

    def end(self) -> None:
        """End it, or leave it, where it is not ours."""
