"""The trackers of a run's config, each apart from the run."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from etude.build import build
from etude.plan.nodes import Graph
from etude.tracker.apart import Apart
from etude.tracker.several import each_of


def follow(root: Mapping[str, Any], warn: Callable[[str], None]) -> list[Apart]:
    """Return what follows a run with this root config; ``warn`` passes on what goes wrong.

    Raises ConfigError where a tracker cannot be begun that was asked for.
    """
    node = root.get("tracker")
    if not node:
        return []
    trackers = each_of(build(dict(node), "tracker"), str(node.get("name")))
    apart = [Apart(name, partial(each.observer, root), warn) for name, each in trackers.items()]
    return [each for each in apart if each.following is not None]


def where(followed: list[Apart]) -> str:
    """Return a line for each tracker on where a run can be looked at."""
    return "\n".join(filter(None, (each.where() for each in followed)))


def tell_comparison(graph: Graph, warn: Callable[[str], None]) -> None:
    """Have the trackers of a sweep that several processes worked on keep how its members compare.

    Never raises: whoever worked on the sweep has told of its stages.
    """
    try:
        followed = follow(graph.runs[0].root, warn)
    except Exception as error:  # a tracker's failure is no failure of the run
        warn(f"no tracker was told how the members of the sweep compare ({error})")
        return
    for each in followed:
        each.do("run_started", graph)
        each.do("compare", graph)
