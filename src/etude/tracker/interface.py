"""What a tracker is to a run: a component that makes an observer."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol

from etude.events import Observer


class Following(Observer, Protocol):
    """An observer that copies a run somewhere and can say where."""

    def where(self) -> str:
        """Return one line on where the run can be looked at; empty when nothing was copied."""


class Tracker(Protocol):
    """A component of the group ``tracker``."""

    def observer(self, root: Mapping[str, Any], warn: Callable[[str], None]) -> Following | None:
        """Return what follows a run with this root config, or None to follow nothing.

        ``warn`` passes on what a person should know; a tracker that fails warns and never ends the
        run.
        """
