"""Files chosen for slots by their place: ``verifier.steps.rule=number``, also inside a stage.

Whether a place is a slot, and of which group, depends on the component that lies there, and that on
what else is chosen. So parents come first: what can be placed in the root that is composed so far
is chosen, the root composed anew, and so on until nothing is left that a file could fill.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence, Set
from dataclasses import dataclass, replace

from etude.by_path.reference import is_reference
from etude.config.check_choices import ChoiceChecker, is_placed
from etude.config.compose import Composed
from etude.config.given import Given
from etude.config.locate import Locator, Node, Unknown
from etude.config.quoting import shortened
from etude.config.values import shown
from etude.errors import Fault
from etude.fields import slot_names
from etude.schema import Schema


@dataclass(frozen=True)
class Filled:
    """A root with every slot filled that a place was given for, and what was typed, told apart."""

    composed: Composed
    given: list[Given]
    faults: list[Fault]


@dataclass(frozen=True)
class SlotFiller:
    """Fills the slots of composed roots.

    ``locate`` gives a root's :class:`Locator`, ``compose`` composes the choices of files, None
    where they do not fit.
    """

    schema: Schema
    choices: ChoiceChecker
    locate: Callable[[Composed], Locator]
    compose: Callable[[list[str], list[Fault]], Composed | None]

    def fill(self, given: Sequence[Given], texts: Sequence[str], composed: Composed) -> Filled:
        """Return the root in which every place holds the file that was typed for it.

        ``texts`` are the choices that ``composed`` was made of.
        """
        faults: list[Fault] = []
        chosen = list(texts)
        found = {id(each): each for each in given}
        names = self.schema.slot_names | _by_path(composed, self.schema)
        waiting = [each for each in given if _may_fill(each, names)]
        while waiting:
            locator = self.locate(composed)
            places = [(each, self._placed(each, locator)) for each in _outermost(waiting)]
            tried = [each for each, place in places if place is not None]
            if not tried:
                break
            waiting = [each for each in waiting if not any(each is other for other in tried)]
            more: list[str] = []
            for each, place in places:
                if isinstance(place, Fault):
                    faults.append(place)
                    found.pop(id(each))
                elif place is not None:
                    found[id(each)] = place
                    more += self.choices.placed([*chosen, *more], place, faults)
            if more:
                chosen += more
                composed = self.compose(chosen, faults) or composed
        for each in waiting:
            if each.kind != "value":
                faults.append(self._nowhere(each, composed))
                found.pop(id(each))
        return Filled(composed, list(found.values()), faults)

    def _placed(self, each: Given, locator: Locator) -> Given | Fault | None:
        """Return what is chosen for a place that is a slot, its fault, or None where it is none."""
        try:
            place = locator.find(each.path)
        except Unknown:
            return None
        if not isinstance(place, Node) or place.group is None:
            return None
        if place.many and place.group not in self.schema.lists:
            how = f"{each.path}.KEY={shown(each.value) if isinstance(each.value, str) else 'NAME'}"
            return Fault(each.typed, f"holds parts of the group {place.group} by key: {how}")
        if each.group and each.group != place.group:
            message = f"{each.path} takes a {place.group}, and no {each.group}: {each.path}=NAME"
            return Fault(each.typed, message)
        chosen = each
        if each.kind == "value":
            chosen = replace(each, kind="choice", group=place.group, package=each.path)
        return self.choices.unknown(chosen) or chosen

    def _nowhere(self, each: Given, composed: Composed) -> Fault:
        try:
            self.locate(composed).find(each.path)
        except Unknown as error:
            return Fault(each.typed, str(error))
        where = shortened(each.path)
        return Fault(each.typed, f"{where} is no place that a file can be chosen for.")


def _may_fill(each: Given, slots: Set[str]) -> bool:
    """Tell whether a file may be meant: a place was given, or a value where a slot may be."""
    if each.kind != "value":
        return is_placed(each)
    if each.value is None or isinstance(each.value, dict):
        return False
    head, *rest = each.path.split(".")
    if head == "sources" or not rest:
        return False
    return rest[-1] in slots or [head, *rest][-2] in slots


def _by_path(composed: Composed, schema: Schema) -> set[str]:
    """Return the names of the slots of the components by path that were chosen."""
    found: set[str] = set()
    for place, choice in composed.choices.items():
        for each in choice if isinstance(choice, list) else [choice]:
            if is_reference(each):
                info = schema.find(place.partition("@")[0], each)
                fields = {} if info is None else info.fields
                found.update(name for field in fields.values() for name in slot_names(field))
    return found


def _outermost(waiting: Sequence[Given]) -> list[Given]:
    """Return those of which no other is chosen for a place around theirs."""
    places = [each.path for each in waiting]
    return [
        each for each in waiting if not any(each.path.startswith(f"{other}.") for other in places)
    ]
