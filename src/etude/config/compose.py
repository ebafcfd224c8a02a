"""Composing the root of a command, once for each set of chosen files, with values laid over it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from etude.config import part_lists
from etude.config.circles import circle
from etude.config.hydra_private import COMPOSE_ERRORS, Composer, DefaultsList
from etude.config.installation import Installation
from etude.config.sharing import Trees
from etude.errors import ConfigError, Fault


@dataclass(frozen=True)
class Member:
    """One composed command: the only one, or one of a sweep.

    ``root`` is plain (interpolations are unresolved) and shares its branches with other members, so
    nothing may change it; ``choices`` maps ``group`` or ``group@package`` to the chosen file.
    """

    overrides: list[str]
    root: dict[str, Any]
    choices: dict[str, Any]
    warnings: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Composed:
    """The root of a set of chosen files, before any value is laid over it."""

    root: dict[str, Any]
    choices: dict[str, Any]


class Roots:
    """Composes each set of group overrides once; all roots share their equal branches."""

    def __init__(self, installation: Installation) -> None:
        self.installation = installation
        self.composer = Composer(installation)
        self.trees = Trees()
        self._made: dict[tuple[str, ...], Composed] = {}
        self._listed: dict[tuple[str, ...], DefaultsList] = {}

    def compose(self, chosen: Sequence[str]) -> Composed:
        """Return the root of group overrides; raises ConfigError where the files do not fit."""
        key = tuple(chosen)
        if key not in self._made:
            listed = self._defaults(key)
            try:
                root = self.composer.compose(listed)
            except COMPOSE_ERRORS as error:
                raise ConfigError([_fault(error, key)]) from error
            self._made[key] = Composed(self.trees.keep(root), _choices(listed))
        return self._made[key]

    def choices(self, chosen: Sequence[str]) -> dict[str, Any]:
        """Return group → choice of group overrides without composing any content."""
        return _choices(self._defaults(tuple(chosen)))

    def lists(self, chosen: Sequence[str]) -> set[str]:
        """Return ``group`` or ``group@package`` of the slots of several that a list fills."""
        found = set()
        for each in self._defaults(tuple(chosen)).defaults:
            group, entry, _ = (each.config_path or "").rpartition(f"/{part_lists.ENTRY}")
            if entry:
                default = each.package == group.replace("/", ".")
                found.add(group if default else f"{group}@{each.package}")
        return found

    def _too_deep(self, chosen: Sequence[tuple[str, str]]) -> Fault:
        """Return why the defaults of chosen files have no end."""
        names = " ".join(f"{group}={name}" for group, name in chosen)
        return circle(self.installation, chosen) or Fault(
            names, "cannot be composed: the defaults of its files go too deep."
        )

    def _defaults(self, key: tuple[str, ...]) -> DefaultsList:
        if key not in self._listed:
            try:
                parsed = [self.composer.parse(text) for text in key]
                self._listed[key] = self.composer.defaults(parsed)
            except RecursionError as error:
                chosen = [(each.key_or_group, str(each.value())) for each in parsed]
                raise ConfigError([self._too_deep(chosen)]) from error
            except COMPOSE_ERRORS as error:
                raise ConfigError([_fault(error, key)]) from error
        return self._listed[key]


@lru_cache(maxsize=4)
def roots_of(installation: Installation) -> Roots:
    """Return the roots of an installation; what one command composed the next one has."""
    return Roots(installation)


def _choices(listed: DefaultsList) -> dict[str, Any]:
    return dict(listed.overrides.known_choices)


def _fault(error: Exception, chosen: tuple[str, ...]) -> Fault:
    """Return Hydra's reason without its list of search paths and links."""
    lines = [line.strip() for line in str(error).splitlines()]
    kept = []
    for line in lines:
        if line.startswith(("Config search path", "See https", "Search path")):
            break
        if line:
            kept.append(line)
    texts = map(part_lists.as_typed, (" ".join(chosen), "cannot be composed: " + " ".join(kept)))
    return Fault(*texts)
