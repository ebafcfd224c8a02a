"""The environments of a stage beside ``environment``, by name."""

from __future__ import annotations

from dataclasses import dataclass

from etude.component import component, entries
from etude.environments.named import Named


@component()
@dataclass(frozen=True)
class Default:
    """Environments beside the one for all rows, each for the rows that name it."""

    named: dict[str, Named] = entries(
        {},
        "any environment under its own name (shop.environment=./shop.py:Shop), for the rows whose "
        "column environment is that name; null takes one away",
    )
