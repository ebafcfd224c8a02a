"""Where a graph of stages runs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from etude.plan.nodes import Graph


class Launcher(Protocol):
    """A component of the group ``launcher``."""

    def launch(self, graph: Graph, root: Mapping[str, Any]) -> int:
        """Have everything done that a graph asks for; return the exit code.

        0 is done, or handed over to a cluster; 1 failed; 130 interrupted.
        """

    def resume(self, folder: Path) -> int:
        """Go on with the run that is written in a folder; return the exit code."""

    def planned(self, graph: Graph) -> Iterator[str]:
        """Yield what ``etude plan`` adds on how the graph would be launched."""


def launcher_of(roots: Sequence[Mapping[str, Any]]) -> Launcher:
    """Return the one launcher of all members of a command. Raises ConfigError where they differ."""
    from etude.build import build
    from etude.errors import ConfigError, Fault

    first = roots[0]["launcher"]
    other = next((root["launcher"] for root in roots if root["launcher"] != first), None)
    if other is not None:
        message = (
            f"differs between the runs of this sweep ({first['name']} and {other['name']}, or "
            "their values). A sweep is one graph and is launched as a whole; give it one launcher."
        )
        raise ConfigError([Fault("launcher", message)])
    made: Launcher = build(dict(first), "launcher")
    return made
