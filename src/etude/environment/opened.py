"""The environments of a stage or of an evaluation, opened: which a row is played with, and where.

Worker processes start with the first episode.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from etude.environment.interface import Environment
from etude.environment.pool import Begun, EnvironmentPool, Sent
from etude.errors import DataError
from etude.randomness import seed_of
from etude.rows import Example

#: What the environment of the key ``environment`` is called.
OWN = "environment"

#: The column by which a row names one of ``environments``.
COLUMN = "environment"


@dataclass(frozen=True)
class Environments:
    """The environments there are, by name; the one called ``environment`` is for all rows."""

    by_name: Mapping[str, Environment]

    @classmethod
    def of(cls, main: Any, others: Any) -> Environments:
        """Return those of the built keys ``environment`` and ``environments``."""
        named = {name: each.environment for name, each in getattr(others, "named", {}).items()}
        found = {OWN: main, **named}
        made = {name: each for name, each in found.items() if isinstance(each, Environment)}
        return cls(made)


class OpenEnvironments:
    """Environments with the workers that their episodes live in."""

    def __init__(self, environments: Environments, workers: int) -> None:
        self._environments = environments
        self._workers = workers
        self._pools: dict[int, EnvironmentPool] = {}
        self._tools: dict[str, list[dict[str, Any]]] = {}

    @property
    def seconds(self) -> float:
        """Return how long environments were waited for since they were opened."""
        return sum(pool.seconds for pool in self._pools.values())

    def named_by(self, example: Example) -> str:
        """Return the name of the environment that a row is played with; raises DataError."""
        known = self._environments.by_name
        column = example.columns.get(COLUMN)
        name = OWN if column is None or (column not in known and OWN in known) else str(column)
        if name not in known:
            there = ", ".join(each for each in known if each != OWN) or "none"
            raise DataError(
                f"row {example.id} is to be played with the environment '{name}', which there is "
                f"not; environments has {there}. environments.{name}.environment=CHOICE gives it, "
                "and environment=CHOICE one for all rows that name none"
                if name != OWN
                else f"row {example.id} names no environment (column {COLUMN}), and there is none "
                f"for all rows: environment=CHOICE. environments has {there}"
            )
        return name

    def tools(self, name: str, memory: int) -> list[dict[str, Any]]:
        """Return the JSON schemas of an environment's tools; raises StageError where it has none
        that can be described."""
        if name not in self._tools:
            self._tools[name] = self.pool(memory).describe(name)
        return self._tools[name]

    def begin(self, examples: Sequence[Example], memory: int, most: int) -> list[Begun]:
        """Return an episode for each row, not reset yet; equal rows have equal seeds.

        ``most`` are the characters of a text that an environment may say.
        """
        pool = self.pool(memory)
        names = [self.named_by(example) for example in examples]
        return [
            pool.begin(
                name,
                seed_of("environment", example.id) % 2**63,
                example.columns,
                most,
                self.tools(name, memory),
            )
            for name, example in zip(names, examples, strict=True)
        ]

    def pool(self, memory: int) -> EnvironmentPool:
        """Return the workers of so many MiB."""
        if memory not in self._pools:
            sent = Sent(dict(self._environments.by_name), memory)
            self._pools[memory] = EnvironmentPool(sent, self._workers)
        return self._pools[memory]

    def close(self) -> None:
        """End the workers and all that environments have started."""
        for pool in self._pools.values():
            pool.close()
