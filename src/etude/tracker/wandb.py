"""Weights & Biases: one run a stage, offline where nobody is logged in (https://docs.wandb.ai)."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from etude.component import component, option
from etude.errors import ConfigError, Fault
from etude.tracker.interface import Following
from etude.tracker.login import mode_here


@component()
@dataclass(frozen=True)
class Wandb:
    """Weights & Biases, one run a stage; offline where nobody is logged in."""

    mode: str = option(
        "auto",
        "auto: online where logged in, else offline; online; offline; off",
        kind="execution",
        choices=("auto", "online", "offline", "off"),
    )
    project: str = option("etude", "project that runs go to", kind="execution")
    entity: str | None = option(None, "user or team; null: your default", kind="execution")
    group: str | None = option(
        None, "group of the run's stages; null: the run's name", kind="execution"
    )
    tags: list[str] = option([], "tags of every stage", kind="execution")
    samples: int = option(
        64, "rows of the samples table logged at the end of a stage", kind="execution", ge=0
    )
    directory: str | None = option(
        None, "folder that W&B makes its wandb/ folder in; null: outputs", kind="execution"
    )

    def observer(self, root: Mapping[str, Any], warn: Callable[[str], None]) -> Following | None:
        """Return what follows a run, or None when W&B is off.

        A missing package is a warning under ``auto``; raises ConfigError when W&B was asked for by
        ``mode`` and is not installed.
        """
        mode = mode_here() if self.mode == "auto" else self.mode
        if mode == "off":
            return None
        if importlib.util.find_spec("wandb") is None:
            if self.mode == "auto":
                warn(
                    "wandb is not installed, so nothing goes to W&B (tracker=none says so for good)"
                )
                return None
            message = "needs the package wandb: pip install wandb, or choose tracker=none."
            raise ConfigError([Fault(f"tracker.mode={self.mode}", message)])
        from etude.tracker.wandb_observer import WandbObserver

        return WandbObserver(self, mode, root, warn)
