"""Weights & Biases: one run a stage, offline where nobody is logged in (https://docs.wandb.ai)."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from etude.component import component
from etude.errors import ConfigError, Fault
from etude.tracker.interface import Following
from etude.tracker.login import mode_here
from etude.tracker.wandb_settings import WandbSettings


@component()
@dataclass(frozen=True)
class Wandb(WandbSettings):
    """Weights & Biases, one run a stage; offline where nobody is logged in."""

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
