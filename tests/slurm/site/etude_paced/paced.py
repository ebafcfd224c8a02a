"""A tracker that takes its time."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import etude
from etude.component import component, option


@component(group="tracker", name="paced")
@dataclass(frozen=True)
class Paced:
    """Follows a run slowly: a stage lasts as long as a test needs it to."""

    seconds: float = option(0.0, "wait after each step", kind="execution", ge=0)
    hang_after: int | None = option(
        None,
        "finished steps after which the first start of a job stands still",
        kind="execution",
        ge=1,
    )

    def observer(self, root: Mapping[str, Any], warn: Callable[[str], None]) -> Slowly:
        """Return what waits."""
        print(f"etude is {etude.__file__}, this is {__file__}", flush=True)
        return Slowly(self)


class Slowly:
    """An observer that waits after every step; it has no use for anything else."""

    def __init__(self, paced: Paced) -> None:
        self._paced = paced

    def step_done(self, node: Any, step: int, metrics: Any, timing: Any) -> None:
        """Wait, for ever where the stage is to hang."""
        time.sleep(self._paced.seconds)
        if step + 1 == self._paced.hang_after and "SLURM_RESTART_COUNT" not in os.environ:
            while True:
                time.sleep(1)

    def __getattr__(self, name: str) -> Callable[..., None]:
        if name.startswith("_"):
            raise AttributeError(name)
        return lambda *_, **__: None
