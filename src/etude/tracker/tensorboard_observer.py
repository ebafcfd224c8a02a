"""A run told to TensorBoard: a folder a stage, named as its W&B run is."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from etude.execute.attempt import config_text
from etude.plan.describe import shown
from etude.tracker.comparison import identity_of
from etude.tracker.following import StageFollowing
from etude.tracker.interface import Record
from etude.tracker.naming import name_of, sweep_name
from etude.tracker.tensorboard_record import TensorBoardRecord

if TYPE_CHECKING:
    from etude.plan.nodes import Graph

#: Characters of a fingerprint that tell stages of one name apart.
_SHORT = 8


class TensorBoardObserver(StageFollowing):
    """Writes event files into ``folder``, or into ``tensorboard/`` of the run's outputs."""

    def __init__(self, folder: Path | None, samples: int) -> None:
        super().__init__(samples)
        self._folder = folder
        self._opened = False

    @property
    def folder(self) -> Path:
        """Return the folder to point TensorBoard at."""
        if self._folder is not None:
            return self._folder.absolute()
        outputs = self.graph.outputs if self.graph is not None else Path("outputs")
        return (outputs / "tensorboard").absolute()

    def where(self) -> str:
        """Return the command that shows the run."""
        return f"board    tensorboard --logdir {shown(self.folder)}" if self._opened else ""

    def open(self, node: Any, kind: str, config: Mapping[str, Any], *, again: bool) -> Record:
        """Begin the event file of an attempt, which stands for those before it."""
        record = self._begin(name_of(node, self.graph), node.fingerprint)
        record.text("config", f"```yaml\n{config_text(config)}\n```")
        differs = config.get("differs")
        if differs:
            record.hyperparameters({**differs, "seed": config.get("seed", 0)})
        return record

    def open_sweep(self, graph: Graph) -> Record:
        """Begin the event file of a sweep as a whole."""
        return self._begin(sweep_name(graph), identity_of(graph).rpartition("-")[2])

    def _begin(self, name: str, identity: str) -> TensorBoardRecord:
        self._opened = True
        return TensorBoardRecord(self.folder / f"{_as_folder(name)} {identity[:_SHORT]}")


def _as_folder(name: str) -> str:
    """Return a name as a folder is called: TensorBoard shows it, and takes a slash for a parent."""
    return re.sub(r"[^\w .,=+@%-]", "_", name).strip(". ")
