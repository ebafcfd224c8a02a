"""Chosen files: whether they exist, whether their place is there, and how Hydra wants them said."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from etude.config.compose import Roots
from etude.config.given import Given
from etude.config.installation import Installation
from etude.config.spelling import did_you_mean, listed
from etude.errors import ConfigError, Fault

#: Groups that `evaluate` reads.
EVALUATE_READS = (
    "model",
    "data_mix",
    "sources",
    "verifier",
    "rollout",
    "evaluation",
    "tracker",
    "recipe",
)


class ChoiceChecker:
    """Judges chosen files against one installation."""

    def __init__(self, installation: Installation, roots: Roots) -> None:
        self._installation = installation
        self._roots = roots

    def unknown(self, given: Given) -> Fault | None:
        """Return the fault of a choice that no file gives, or None."""
        group = given.group
        if group == "sources":
            message = (
                "every source is there under its own name; a data mix chooses among them"
                " (data_mix=…), and sources.NAME.KEY=VALUE changes one."
            )
            return Fault(given.typed, message)
        for name in _names(given):
            if not isinstance(name, str):
                if name is None:
                    continue
                name = str(name).lower() if isinstance(name, bool) else str(name)
            choice = self._installation.choice(group, name)
            if choice is None:
                return Fault(given.typed, self._no_choice(group, name))
            if choice.origin.broken is not None:
                reason = choice.origin.broken
                message = f"comes from {choice.origin.title}, which cannot be loaded: {reason}"
                return Fault(given.typed, message)
        return None

    def _no_choice(self, group: str, name: str) -> str:
        choices = self._installation.choices(group)
        near = did_you_mean(name, choices)
        if not near and "=" not in name:
            elsewhere = [
                other
                for other in self._installation.groups
                if name in self._installation.choices(other)
            ]
            near = f" It is a choice of {listed(elsewhere, 3)}." if elsewhere else ""
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

        A choice of a part whose component has no such slot is a fault and left out.
        """
        faults: list[Fault] = []
        chosen = [each for each in given if each.kind in ("choice", "remove_choice")]
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
                    texts.append(_as_hydra(each, sign))
                    known = {**known, self._key(each): each.value}
        return texts, faults

    def _known(self, texts: list[str], faults: list[Fault]) -> dict[str, object]:
        try:
            return self._roots.choices(texts)
        except ConfigError as error:
            faults.extend(error.faults)
            return {}

    def _stage_is_there(self, each: Given, faults: list[Fault]) -> bool:
        parts = each.package.split(".")
        if len(parts) < 3 or ".".join(parts[2:]) != each.group.replace("/", "."):
            place = f"stages.{each.stage}.{each.group.replace('/', '.')}"
            faults.append(Fault(each.typed, f"a stage reads {each.group} at {place}: {place}=…"))
            return False
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
        return "" if own in known else "+"

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
                return f" Type {package}.{slot}={value}"
        return ""

    def pinned_twice(self, given: Sequence[Given]) -> list[str]:
        """Return a warning for each place that was chosen twice; the last one counts."""
        places = [each.path for each in given if each.kind == "choice"]
        twice = dict.fromkeys(place for place in places if places.count(place) > 1)
        return [f"{place} is chosen more than once; the last one counts" for place in twice]


def _names(given: Given) -> Iterable[object]:
    if given.override.is_sweep_override():
        return list(given.override.sweep_iterator())
    return given.value if isinstance(given.value, list) else [given.value]


def _as_hydra(each: Given, sign: str) -> str:
    default = each.group.replace("/", ".")
    key = each.group if each.package == default else f"{each.group}@{each.package}"
    if each.kind == "remove_choice" or (each.value is None and not sign):
        return f"~{key}"
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
