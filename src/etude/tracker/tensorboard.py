"""TensorBoard: event files that lie beside the stages, a folder a stage (https://www.tensorflow.org/tensorboard)."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from etude.component import component, option
from etude.errors import ConfigError, Fault
from etude.tracker.interface import Following


@component(requires=["package:tensorboard"])
@dataclass(frozen=True)
class TensorBoard:
    """TensorBoard's event files, a folder a stage; nothing is sent anywhere."""

    example: ClassVar[str] = "'tracker=[wandb,tensorboard]'"

    directory: str | None = option(
        None, "folder of the event files; null: tensorboard/ in outputs", kind="execution"
    )
    samples: int = option(
        16, "rows of each table of samples, shown as text", kind="execution", ge=0
    )

    def observer(self, root: Mapping[str, Any], warn: Callable[[str], None]) -> Following | None:
        """Return what follows a run. Raises ConfigError where the package is not installed."""
        if importlib.util.find_spec("tensorboard") is None:
            message = "needs the package tensorboard: pip install 'etude[tensorboard]'."
            raise ConfigError([Fault("tracker=tensorboard", message)])
        from etude.tracker.tensorboard_observer import TensorBoardObserver

        folder = Path(self.directory).expanduser() if self.directory else None
        return TensorBoardObserver(folder, self.samples)
