"""The process-wide settings of torch that make a stage repeat to the bit."""

from __future__ import annotations

import os

import torch


def settle(threads: int) -> None:
    """Pin torch's threads and choose deterministic kernels where they exist.

    Bits hold for one number of threads and one machine type: another number adds in another order.
    Kernels without a deterministic form (some on GPUs) warn instead of failing.
    """
    # Read by cuBLAS when it is first used.
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    if torch.get_num_threads() != threads:
        torch.set_num_threads(threads)
    # The same as use_deterministic_algorithms(True, warn_only=True) without importing the compiler,
    # which takes seconds.
    torch.set_deterministic_debug_mode("warn")
    # Filling memory that is overwritten anyway would only cost time.
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
