"""The states of all that is alive in a stage, by config path: together saved, together restored."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from etude.errors import CheckpointError
from etude.live import Tree


def saved(live: Mapping[str, Any]) -> Tree:
    """Return the state of everything alive that has one, by config path."""
    return {
        path: each.state_dict()
        for path, each in sorted(live.items())
        if hasattr(each, "state_dict")
    }


def restore(live: Mapping[str, Any], states: Tree, may_differ: Callable[[str], bool]) -> None:
    """Give everything alive the state that :func:`saved` returned of it, to the bit.

    Raises CheckpointError where what is alive here has no state there, or the other way round,
    unless its path is one that ``may_differ``.
    """
    alive = {path: each for path, each in sorted(live.items()) if hasattr(each, "load_state_dict")}
    unlike = [path for path in alive.keys() ^ states.keys() if not may_differ(path)]
    if unlike:
        raise CheckpointError(_differing({*alive} & {*unlike}, {*states} & {*unlike}))
    for path, each in alive.items():
        if path in states:
            each.load_state_dict(states[path])


def _differing(alive: set[str], saved: set[str]) -> str:
    """Return how the state that was saved is not that of what is alive, in words."""
    lost = ", ".join(sorted(saved - alive))
    new = ", ".join(sorted(alive - saved))
    said = [f"it has a state of {lost}, which nothing here takes"] if lost else []
    said += [f"it has none of {new}"] if new else []
    return (
        f"the saved state is that of other components: {'; '.join(said)}. Whatever has a"
        " state_dict has a load_state_dict too, and the same in every process of a stage"
    )
