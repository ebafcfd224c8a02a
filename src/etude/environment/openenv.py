"""Environments that a server of the package openenv plays."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from etude.component import Need, component, option
from etude.environment.interface import OWN_ROWS, Environment
from etude.tasks import openenv_package


@component(
    source="github.com/meta-pytorch/OpenEnv",
    requires=[
        Need(f"package:{openenv_package.PACKAGE}", why="to speak to its servers"),
        Need(OWN_ROWS, why="to begin episodes from"),
    ],
    provides=["part:accuracy", "part:reward"],
)
@dataclass(frozen=True)
class OpenEnv(Environment):
    """An environment of a server that runs already: turns are its actions, observations replies.

    Each episode is a session of its own; the server must take as many at once as there are workers.
    Parts: ``reward`` (the sum over steps) and ``accuracy`` (1 where that is above 0).
    """

    example: ClassVar[str] = "recipe=rl environment=openenv"

    url: str = option("http://127.0.0.1:8000", "where the server listens", form="filled")
    field: str = option("message", "field of an action that a turn's text is", form="filled")
    shown: str = option("", "field of an observation that is told; empty: all of it, as JSON")
    seconds: float = option(30.0, "longest wait for an answer of the server", gt=0)

    def make(self) -> Any:
        """Return a session for one episode."""
        return openenv_package.ServerEpisode(self.url, self.field, self.shown, self.seconds)
