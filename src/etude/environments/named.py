"""An environment under a name of its own, which rows name in their column ``environment``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from etude.component import slot


@dataclass(frozen=True)
class Named:
    """What a name stands for."""

    environment: Any = slot("", "what rows that name it are played with", group="environment")
