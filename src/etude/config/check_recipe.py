"""Objectives that replace a recipe's own: whether the rows of the recipe are rows for them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any

from etude.config.installation import Installation
from etude.config.read_yaml import read_yaml
from etude.config.resolve import MemberLike
from etude.config.spelling import listed
from etude.schema import LearnerInfo


def misfits(member: MemberLike, installation: Installation) -> Iterator[tuple[str, str]]:
    """Yield a fault for each objective that learns from other rows than the recipe chose.

    Whoever chooses the rows as well knows what they are for.
    """
    recipe = str(member.choices.get("recipe"))
    own = _chosen(recipe, installation)
    for place, written in own.items():
        group, at_stage, package = place.partition("@")
        mix = f"data_mix{at_stage}{package.replace('objective', 'data_mix')}"
        now = member.choices.get(place)
        if group != "objective" or mix not in own or now is None or now == written:
            continue
        asked, meant = (_learner(str(name), installation) for name in (now, written))
        if asked and meant and asked.row != meant.row and member.choices.get(mix) == own[mix]:
            key = package or "objective"
            rows = key.replace("objective", "data_mix")
            others = _of(meant.row, written, installation)
            also = f"; so do {listed(others, 4)}" if others else ""
            lines = [
                f"is {now}, a {_words(asked)} objective, and the recipe {recipe} has rows for a"
                f" {_words(meant)} one here ({rows}={own[mix]}).",
                f"  {key}={written}  fits{also}",
            ]
            lines += [
                f"  recipe={other}  is for {now}" for other in _recipes(asked.row, installation)
            ]
            lines.append(f"  {rows}=CHOICE  beside it, for rows that are meant for it")
            yield key, "\n".join(lines)


def _words(learner: LearnerInfo) -> str:
    return learner.name.replace("_", "-")


@lru_cache(maxsize=64)  # the members of a sweep ask for the same recipe
def _chosen(recipe: str, installation: Installation) -> Mapping[str, Any]:
    """Return the files that a recipe chooses itself: group, or group@package → choice."""
    choice = installation.choice("recipe", recipe)
    entries = read_yaml(choice.path).get("defaults") if choice is not None else None
    found: dict[str, Any] = {}
    for entry in entries if isinstance(entries, list) else []:
        if isinstance(entry, Mapping):
            for key, value in entry.items():
                found[str(key).removeprefix("override ").strip().lstrip("/")] = value
    return found


def _learner(choice: str, installation: Installation) -> LearnerInfo | None:
    schema = installation.schema
    info = schema.find("objective", installation.component_name("objective", choice))
    return schema.learner(info.learner) if info is not None and info.learner else None


def _learns_from(row: str, choice: str, installation: Installation) -> bool:
    learner = _learner(choice, installation)
    return learner is not None and learner.row == row


def _of(row: str, known: str, installation: Installation) -> list[str]:
    """Return the other objectives that learn from such rows."""
    return [
        name
        for name in installation.choices("objective")
        if name != known and _learns_from(row, name, installation)
    ]


def _recipes(row: str, installation: Installation) -> list[str]:
    """Return the plainest recipe of one kind of stage whose objective has such rows, if any."""
    entries = read_yaml(installation.primary).get("defaults") or []
    default = [e["objective"] for e in entries if isinstance(e, Mapping) and "objective" in e]
    found = []
    for name in installation.choices("recipe"):
        own = _chosen(name, installation)
        objective = own.get("objective", *default)
        single = not any(key.startswith("objective@") for key in own)
        if single and _learns_from(row, str(objective), installation):
            found.append((len(own), name))
    return [name for _, name in sorted(found)[:1]]
