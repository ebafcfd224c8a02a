"""Chosen files: whether they exist, whether their place is there, and how Hydra wants them said."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

from etude.by_path.reference import meant
from etude.config import part_lists
from etude.config.compose import Roots
from etude.config.given import Given
from etude.config.installation import Installation
from etude.config.quoting import pasted
from etude.config.spelling import did_you_mean, listed
from etude.errors import ConfigError, Fault

#: Groups that `evaluate` reads.
EVALUATE_READS = (
    "model",
    "models",
    "data_mix",
    "sources",
    "verifier",
    "rollout",
    "environment",
    "environments",
    "evaluation",
    "evaluations",
    "tracker",
    "recipe",
)


class ChoiceChecker:
    """Judges chosen files against one installation."""

    def __init__(self, installation: Installation, roots: Roots) -> None:
        self._installation = installation
        self._roots = roots
        self._signs: dict[tuple[tuple[str, ...], bool], tuple[list[str], list[Fault]]] = {}

    def unknown(self, given: Given) -> Fault | None:
        """Return the fault of a choice that no file gives, or None."""
        group = given.group
        if group == "sources":
            message = (
                "every source is there under its own name; a data mix chooses among them"
                " (data_mix=…), and sources.NAME.KEY=VALUE changes one."
            )
            return Fault(given.typed, message)
        if given.group not in self._installation.schema.lists and isinstance(given.value, list):
            how = f"{given.typed.partition('=')[0]}=NAME"
            return Fault(given.typed, f"takes one {given.group}: {how}")
        if given.group in self._installation.schema.lists and (twice := self._twice(given)):
            return twice
        for name in _names(given):
            if not isinstance(name, str):
                if name is None:
                    continue
                name = str(name).lower() if isinstance(name, bool) else str(name)
            if problems := self._installation.schema.problems(group, name):
                return Fault(given.typed, "\n  ".join(problems))
            choice = self._installation.choice(group, name)
            if choice is None:
                return Fault(given.typed, self._no_choice(group, name))
            if choice.origin.broken is not None:
                reason = choice.origin.broken
                message = f"comes from {choice.origin.title}, which cannot be loaded: {reason}"
                return Fault(given.typed, message)
        return None

    def _twice(self, given: Given) -> Fault | None:
        """Return the fault of a list of parts of which two would lie under one key."""
        under: dict[str, str] = {}
        for name in map(str, _names(given)):
            key = self._installation.component_name(given.group, name)
            if key in under and not given.override.is_sweep_override():
                other = f"{given.group.replace('/', '.')}.KEY={name}"
                message = f"{under[key]} and {name} are both the part '{key}' of the list; "
                return Fault(given.typed, f"{message}a second one has a key of its own: {other}")
            under[key] = name
        return None

    def _no_choice(self, group: str, name: str) -> str:
        choices = self._installation.choices(group)
        component = self._installation.schema.find(group, name)
        if component is not None:  # a plug-in's, of which the code was read
            package = component.package
            return (
                f"{package} has this component, but no file of it that could be chosen; type:"
                f" python -m etude.schema --package {package}"
            )
        near = did_you_mean(name, choices)
        if not near and "=" not in name:
            elsewhere = [
                other
                for other in self._installation.groups
                if name in self._installation.choices(other)
            ]
            near = f" It is a choice of {listed(elsewhere, 3)}." if elsewhere else ""
        if not near and (place := meant(name)) is not None:
            near = f" Did you mean {place}?"
        some = "" if near else f" There is {listed(choices) or 'none'}."
        broken = self._installation.broken
        plugin = (
            f" (The plug-in {broken[0].name} cannot be loaded: {broken[0].broken})"
            if broken
            else ""
        )
        return f"there is no {group} '{name}'.{near}{some}  (etude list {group}){plugin}"

    def hydra_overrides(
        self, given: Sequence[Given], *, evaluate: bool
    ) -> tuple[list[str], list[Fault]]:
        """Return the chosen files as Hydra composes them, a ``+`` where the place is new.

        A choice of a part whose component has no such slot is a fault and left out, and so is what
        is chosen for a place of its own (:mod:`etude.config.fill_slots`).
        """
        kinds = ("choice", "remove_choice")
        chosen = [each for each in given if each.kind in kinds and not is_placed(each)]
        key = (tuple(each.typed for each in chosen), evaluate)
        if key not in self._signs:  # the members of a sweep choose alike
            self._signs[key] = self._signed(chosen, evaluate=evaluate)
        texts, faults = self._signs[key]
        return list(texts), list(faults)

    def _signed(self, chosen: Sequence[Given], *, evaluate: bool) -> tuple[list[str], list[Fault]]:
        """Return chosen files as Hydra composes them, and the faults."""
        faults: list[Fault] = []
        whole = [each for each in chosen if "/" not in each.group]
        texts: list[str] = []
        if evaluate and not any(each.group == "recipe" for each in whole):
            texts.append("~recipe")
        root_level = [each for each in whole if each.stage is None]
        for each in root_level:
            texts.append(_as_hydra(each, ""))
        known = self._known(texts, faults)
        for each in [each for each in whole if each.stage is not None]:
            key = f"{each.group}@{each.package}"
            if each.kind == "remove_choice" and key not in known:
                faults.append(Fault(each.typed, "there is nothing to take away."))
            elif self._stage_is_there(each, faults):
                texts.append(_as_hydra(each, "" if key in known else "+"))
        parts = [each for each in chosen if "/" in each.group]
        if parts:
            known = self._known(texts, faults)
            for each in sorted(parts, key=lambda part: part.group.count("/")):
                sign = self._part_sign(each, known, faults)
                if sign is not None:
                    texts.append(_as_hydra(each, sign, self._installation.schema.lists))
                    known = {**known, self._key(each): each.value}
        return texts, faults

    def placed(self, texts: list[str], each: Given, faults: list[Fault]) -> list[str]:
        """Return a choice for a place of its own as Hydra composes it after ``texts``."""
        there = self._key(each) in self._known(texts, faults)
        if each.kind == "remove_choice" and not there:
            faults.append(Fault(each.typed, "there is nothing to take away."))
            return []
        return [_as_hydra(each, "" if there else "+", self._installation.schema.lists)]

    def _known(self, texts: list[str], faults: list[Fault]) -> dict[str, object]:
        try:
            return {**self._roots.choices(texts), **dict.fromkeys(self._roots.lists(texts))}
        except ConfigError as error:
            faults.extend(error.faults)
            return {}

    def _stage_is_there(self, each: Given, faults: list[Fault]) -> bool:
        if each.group in ("sources", "launcher", "recipe"):
            message = f"{each.group} belongs to the whole run: {each.group}=…"
            faults.append(Fault(each.typed, message))
            return False
        return True

    def _key(self, each: Given) -> str:
        default = each.group.replace("/", ".")
        return each.group if each.package == default else f"{each.group}@{each.package}"

    def _part_sign(self, each: Given, known: dict[str, object], faults: list[Fault]) -> str | None:
        """Return the sign before a part's override, None (and a fault) where it has no place."""
        if each.stage is not None and not self._stage_is_there(each, faults):
            return None
        parent_group = each.group.rpartition("/")[0]
        parent_package = each.package.rpartition(".")[0]
        own = (
            parent_group
            if parent_package == parent_group.replace("/", ".")
            else f"{parent_group}@{parent_package}"
        )
        parent = known.get(own, known.get(parent_group))
        slot = each.group.rpartition("/")[2]
        if parent is not None:
            name = self._installation.component_name(parent_group, str(parent))
            info = self._installation.schema.find(parent_group, name)
            if info is not None and slot not in info.fields:
                slots = [key for key, field in info.fields.items() if field.slot or field.slots]
                has = f"; it has {listed(slots)}" if slots else "; it has no parts"
                message = f"{parent_group} {name} has no part '{slot}'{has}."
                if each.stage is None and each.kind == "choice":
                    message += self._stages_with(each, known, parent_group, slot)
                faults.append(Fault(each.typed, message))
                return None
        return "" if own in known or self._key(each) in known else "+"

    def _stages_with(
        self, each: Given, known: dict[str, object], parent_group: str, slot: str
    ) -> str:
        """Return which stages choose a component that has the slot, as something to type."""
        value = each.typed.partition("=")[2]
        for key, choice in known.items():
            group, _, package = key.partition("@")
            if group != parent_group or not package.startswith("stages.") or choice is None:
                continue
            name = self._installation.component_name(parent_group, str(choice))
            info = self._installation.schema.find(parent_group, name)
            if info is not None and slot in info.fields:
                return f" Type {pasted(f'{package}.{slot}={value}')}"
        return ""

    def pinned_twice(self, given: Sequence[Given]) -> list[str]:
        """Return a warning for each place that was chosen twice; the last one counts."""
        places = [each.path for each in given if each.kind == "choice"]
        twice = dict.fromkeys(place for place in places if places.count(place) > 1)
        return [f"{place} is chosen more than once; the last one counts" for place in twice]


def is_placed(given: Given) -> bool:
    """Tell whether a file is chosen for another place than its group's, of the root or a stage."""
    inside = given.package.removeprefix(f"stages.{given.stage}.")
    return bool(given.group) and inside != given.group.replace("/", ".")


def _names(given: Given) -> Iterable[object]:
    if given.override.is_sweep_override():
        return list(given.override.sweep_iterator())
    return given.value if isinstance(given.value, list) else [given.value]


def _as_hydra(each: Given, sign: str, lists: Collection[str] = ()) -> str:
    """Return a choice as Hydra reads it; ``lists`` are the groups of slots of several parts."""
    default = each.group.replace("/", ".")
    key = each.group if each.package == default else f"{each.group}@{each.package}"
    if each.kind == "remove_choice" or (each.value is None and not sign):
        return f"~{key}"
    if each.group in lists and part_lists.is_whole(each.package, each.group):
        names = each.value if isinstance(each.value, list) else [each.value]
        text = "[" + ",".join(part_lists.entry(str(name)) for name in names) + "]"
    else:
        text = each.override.get_value_element_as_str()
    return f"{sign}{key}={text}"


def unread_by_evaluate(given: Sequence[Given]) -> list[Fault]:
    """Return the faults of choices and values that `evaluate` does not read."""
    faults = []
    plain = ("seed", "execution", "outputs", "name", "checkpoint", "debug", "fresh")
    for each in given:
        head = each.path.split(".")[0]
        if head not in (*EVALUATE_READS, *plain):
            message = f"evaluate does not read {head}; it reads {listed(EVALUATE_READS)}."
            faults.append(Fault(each.typed, message))
    return faults
