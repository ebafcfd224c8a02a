"""Several trackers at once: ``tracker=[wandb,tensorboard]``."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from etude.component import component, slots
from etude.tracker.interface import Following, Tracker


@component()
@dataclass(frozen=True)
class Several:
    """Any number of trackers, each by itself; a list of their names chooses them."""

    example: ClassVar[str] = "'tracker=[wandb,tensorboard]' tracker.to.wandb.project=mine"

    to: Mapping[str, Tracker] = slots(
        doc="the trackers: key → one of the group; a list puts each under its name",
        group="tracker",
    )

    def observer(self, root: Mapping[str, Any], warn: Callable[[str], None]) -> Following | None:
        """Return None: each of them follows by itself (:func:`each_of`)."""
        return None


def each_of(tracker: Tracker, name: str) -> dict[str, Tracker]:
    """Return the trackers that one stands for, by the names they are told of by."""
    if not isinstance(tracker, Several):
        return {name: tracker}
    found: dict[str, Tracker] = {}
    for key, inner in tracker.to.items():
        found |= each_of(inner, key)
    return found
