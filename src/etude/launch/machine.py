"""What this machine has to share out, and its processes, found without torch."""

from __future__ import annotations

import ctypes
import os
import shutil
import sys
from pathlib import Path

_PR_SET_PDEATHSIG = 1


def cores() -> int:
    """Return the CPU cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def gpus() -> list[str]:
    """Return the GPUs this process may use, as CUDA_VISIBLE_DEVICES names them."""
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is not None:
        return [name for name in visible.split(",") if name.strip() not in ("", "-1")]
    driver = Path("/proc/driver/nvidia/gpus")
    return [str(number) for number, _ in enumerate(driver.iterdir())] if driver.is_dir() else []


def may_have_gpu() -> bool:
    """Tell whether anything here speaks of a GPU: a device, a driver, or what lists devices.

    False is certain enough to refuse by. CUDA_VISIBLE_DEVICES can hide all there are.
    """
    if os.environ.get("CUDA_VISIBLE_DEVICES") is not None and not gpus():
        return False
    devices = ("nvidia[0-9]*", "nvidiactl", "nvhost-gpu", "nvgpu", "nvmap", "dxg", "kfd")
    return (
        bool(gpus())
        or any(next(Path("/dev").glob(name), None) for name in devices)
        or shutil.which("nvidia-smi") is not None
    )


def signal_when_parent_ends(number: int) -> None:
    """Have the kernel send this process a signal when the one that started it dies (on Linux)."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, number, 0, 0, 0)
