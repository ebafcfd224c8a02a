"""etude composes post-training recipes for language models from published parts.

From Python, ``etude.run([…])`` is what ``train …`` does, and ``etude.results("outputs")`` is what
lies there as data frames (:mod:`etude.notebook`).
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any

__version__ = "0.1.0"

results: Callable[..., Any]
run: Callable[..., Any]


def __getattr__(name: str) -> Any:
    """Return ``results`` or ``run``; by name, so that etude itself needs nothing to be imported."""
    if name in ("results", "run"):
        return getattr(import_module("etude.notebook"), name)
    raise AttributeError(f"module 'etude' has no attribute '{name}'")
