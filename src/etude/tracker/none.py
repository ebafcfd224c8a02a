"""No tracker: the stage folders are the only record."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from etude.component import component
from etude.tracker.interface import Following


@component()
@dataclass(frozen=True)
class NoTracker:
    """Metrics stay in the stage folders."""

    def observer(self, root: Mapping[str, Any], warn: Callable[[str], None]) -> Following | None:
        """Return None: nothing follows the run."""
        return None
