"""Seconds spent in the phases of a step; they go to timing.jsonl, never to metrics."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager


class Clock:
    """Adds up wall-clock seconds by phase since it was made."""

    def __init__(self) -> None:
        self._start = time.perf_counter()
        self._phases: dict[str, float] = {}
        self._noted: dict[str, float] = {}

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Count the seconds of the block under ``name``."""
        begin = time.perf_counter()
        try:
            yield
        finally:
            self._phases[name] = self._phases.get(name, 0.0) + time.perf_counter() - begin

    def note(self, seconds: Mapping[str, float]) -> None:
        """Keep numbers that were measured elsewhere; of those of one name the largest counts."""
        for name, value in seconds.items():
            self._noted[name] = max(value, self._noted.get(name, value))

    def timing(self, tokens: int) -> dict[str, float]:
        """Return seconds in all and by phase, and tokens a second."""
        seconds = time.perf_counter() - self._start
        phases = {f"seconds/{name}": value for name, value in self._phases.items()}
        rate = tokens / max(seconds, 1e-9)
        return {"seconds": seconds, "tokens_per_second": rate, **phases, **self._noted}
