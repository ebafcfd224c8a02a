"""The live side of components as they were built, each opened once and kept by its config path."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from etude.built import components
from etude.config.role_stages import TRAIN
from etude.errors import StageError

#: Groups whose component is opened when it is asked for, as it opens its parts itself.
_ON_DEMAND = frozenset({"data_mix", "verifier"})


class Openings:
    """Opens components for a host (a stage, an evaluation); ``live`` is what has been opened.

    ``roots`` are the components by group. What is alive of one is what its ``open(host)`` returns,
    or of a part of the objective ``make_state()``, which is the same without a host; a component
    for which it is None has nothing alive.
    """

    def __init__(self, roots: Mapping[str, Any], host: Any, live: dict[str, Any]) -> None:
        self.live = live
        self._host = host
        self._roots = roots
        self._paths = {
            id(each): path
            for group, root in roots.items()
            for path, each in components(root, group)
        }
        self._opened: set[str] = set()

    def open(self, component: Any) -> Any:
        """Return the live side of a component, opened the first time; all ranks open together.

        Raises StageError for one that is no part of the config.
        """
        path = self.path_of(component)
        if path not in self._opened:
            self._opened.add(path)
            live = self._live(path, component)
            if live is not None:
                self.live[path] = live
        return self.live.get(path)

    def path_of(self, component: Any) -> str:
        """Return the config path of a component; raises StageError where it is no part of one."""
        path = self._paths.get(id(component))
        if path is None:
            what = type(component).__name__
            raise StageError(f"{what} is to be opened, and is no part of the stage's config")
        return path

    def open_all(self, groups: Collection[str]) -> None:
        """Open the components of some groups with all their parts, but those opened on demand."""
        for group in sorted(set(groups) & self._roots.keys() - _ON_DEMAND):
            for path, each in components(self._roots[group], group):
                if path.split(".")[2:3] != [TRAIN]:  # those of a role are opened with the role
                    self.open(each)

    def _live(self, path: str, component: Any) -> Any:
        if hasattr(component, "open"):
            return component.open(self._host)
        if path.startswith("objective.") and hasattr(component, "make_state"):
            return component.make_state()
        return None
