"""Which device of this machine a setting names."""

from __future__ import annotations

import torch


def device_of(name: str) -> torch.device:
    """Return the device that ``auto``, ``cpu`` or ``cuda`` names on this machine."""
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    return torch.device(name)
