"""The states of components that a stage hands on, and those that it takes up from others."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from etude.config import states
from etude.distributed.world import current
from etude.errors import StageError
from etude.execute import tree
from etude.learner.context import StageContext, model_of
from etude.live import Tree
from etude.schema import load


class HandedStates:
    """What a stage hands on beside its model: states of what is ``live``, by config path."""

    def __init__(
        self, config: Mapping[str, Any], context: StageContext, live: Mapping[str, Any]
    ) -> None:
        self._paths = states.of_stage(config, load())
        self._context = context
        self._live = live

    def taken_up(self, path: str) -> Tree | None:
        """Return the state that is taken up at a path, None where the config names none."""
        folder = model_of(self._context.inputs, path)
        return None if folder is None else tree.load(folder)

    def check(self) -> None:
        """Raise StageError where nothing alive has a state that is to be handed on."""
        for path in self._paths:
            self._of(path)

    def export(self, folder: Path) -> None:
        """Write every state to ``folder/PATH``; all ranks have the same, and the first writes."""
        for path in self._paths if current().is_main else ():
            place = folder / path
            place.mkdir()
            tree.save(self._of(path).state_dict(), place)

    def _of(self, path: str) -> Any:
        """Return what has a state: what is alive at the path, or at that of its component."""
        for place in (path, path.rpartition(".")[0]):
            if hasattr(self._live.get(place), "state_dict"):
                return self._live[place]
        raise StageError(f"{path} is to be handed on, and nothing alive there has a state_dict")
