"""Environments of the package verifiers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from etude.component import Need, component, option
from etude.environment.interface import OWN_ROWS, Environment
from etude.tasks import verifiers_package


@component(
    source="github.com/willccbb/verifiers",
    requires=[
        Need(f"package:{verifiers_package.PACKAGE}", why="to play its environments"),
        Need(OWN_ROWS, why="to choose rows of its datasets by"),
    ],
    provides=["part:accuracy", "part:reward"],
)
@dataclass(frozen=True)
class Verifiers(Environment):
    """An environment of the package by its name, over a row of its own dataset.

    A row's seed chooses the row of the dataset, that of its evaluation in the split ``test``.
    Environments speak in messages; one that offers tools, or rewrites what was said before, is
    refused. Parts: ``reward``, the environment's own, and ``accuracy`` (1 where that is above 0).
    """

    example: ClassVar[str] = "recipe=rl environment=verifiers"

    id: str = option("my_environment", "name that its load_environment knows", form="filled")
    arguments: dict[str, Any] = option({}, "what load_environment is given beside the name")
    seconds: float = option(60.0, "longest wait for what it asks next", gt=0)

    def make(self) -> Any:
        """Return a row of the dataset for one episode."""
        return verifiers_package.HostedEpisode(self.id, self.arguments, self.seconds)
