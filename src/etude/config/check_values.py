"""Values of the command line: whether their keys are there and take them, laid over the root."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

from hydra.core.override_parser.types import Override

from etude.config import values
from etude.config.as_typed import as_text, may_want_text
from etude.config.compose import Composed
from etude.config.given import Given
from etude.config.keys import at, choosing
from etude.config.locate import Key, Locator, NameOf, Node, Unknown
from etude.config.overlay import Overlays, overlays_of
from etude.config.quoting import pasted
from etude.config.sharing import ByIdentity, Trees, put, remove
from etude.config.spelling import did_you_mean, listed
from etude.config.values import Misfit, shown
from etude.errors import Fault
from etude.schema import FieldInfo, Schema


class ValueChecker:
    """Judges values against composed roots; the roots it makes share what no value touches."""

    def __init__(
        self,
        overlays: Overlays,
        schema: Schema,
        plain: Mapping[str, FieldInfo],
        trees: Trees,
        letters: Callable[[Override], Any],
    ) -> None:
        self._overlays = overlays
        self._schema = schema
        self._plain = plain
        self._trees = trees
        self._letters = letters
        self._located: ByIdentity[Locator] = ByIdentity()
        self._with_entries = {
            group
            for group, known in schema.components.items()
            if any(info.entries is not None for info in known.values())
        }

    def lay(
        self, composed: Composed, given: Sequence[Given]
    ) -> tuple[dict[str, Any], list[tuple[Given, Key, str]], list[Fault]]:
        """Return the root with every good value laid over it, those values, and the faults."""
        root = composed.root
        laid: list[tuple[Given, Key, str]] = []
        faults: list[Fault] = []
        where = partial(self.locator, root, composed.choices)
        located, locator = root, self._located.of(where, root, composed.choices)
        for each in given:
            if each.kind == "remove_value":
                left = self._remove(each, root)
                if isinstance(left, Fault):
                    faults.append(left)
                else:
                    root = left
                continue
            for path, value in self._leaves(each, root, composed):
                if located is not root:
                    located, locator = root, self.locator(root, composed.choices)
                value = self._as_typed(each, path, value, locator)
                outcome = self._one(each, path, value, locator)
                if isinstance(outcome, Fault):
                    faults.append(outcome)
                    continue
                if self._is_new_node(path, value, root):
                    root = put(root, path, None)  # another component replaces
                root = self._trees.keep(put(root, path, value))
                if outcome is not None:
                    laid.append((each, outcome, shown(value)))
        return root, laid, faults

    def _as_typed(self, each: Given, path: str, value: Any, locator: Locator) -> Any:
        """Return a value with numbers in the letters they were typed in where a key is text."""
        if not values.any_number(value):
            return value
        for place in (path, path.rpartition(".")[0]):  # a new source lies in the node of all
            try:
                target = locator.find(place)
            except Unknown:
                continue
            if isinstance(target, Key) and place == path:
                kind = target.field.type
                if not may_want_text(kind):  # a sweep over seeds is not read twice
                    return value
                return as_text(value, self._written(each, path), kind)
            if isinstance(target, Node) and target.group and (place == path or target.many):
                return self._node_as_typed(value, self._written(each, path), target.group)
            return value
        return value

    def _written(self, each: Given, path: str) -> Any:
        """Return what was typed for a path in its letters."""
        return at(self._letters(each.override), path.removeprefix(each.path).removeprefix("."))

    def _node_as_typed(self, value: Any, written: Any, group: str) -> Any:
        """Return a whole component with the numbers of its text keys as they were typed."""
        if not isinstance(value, Mapping) or not isinstance(written, Mapping):
            return value
        info = self._schema.find(group, str(value.get("name")))
        fields = info.fields if info is not None else {}
        return {
            key: as_text(item, written.get(key), fields[key].type) if key in fields else item
            for key, item in value.items()
        }

    def locator(
        self, root: Mapping[str, Any], choices: Mapping[str, Any], *, new_entries: bool = False
    ) -> Locator:
        """Return what finds the keys of a root that was composed of these choices."""
        nodes = {
            stage: self._overlays.lay(root, over, self._overlays.pinned(choices, stage))
            for stage, over in overlays_of(root).items()
        }
        return Locator(self._schema, root, nodes, self._plain, new_entries)

    def _remove(self, each: Given, root: dict[str, Any]) -> Fault | dict[str, Any]:
        """Return the root without what an override takes away, or its fault."""
        *_, last = each.path.split(".")
        parent = at(root, each.path.rpartition(".")[0])
        if not isinstance(parent, Mapping) or last not in parent:
            known = parent if isinstance(parent, Mapping) else root
            near = did_you_mean(last, [str(key) for key in known])
            return Fault(each.typed, f"there is no {each.path} to take away.{near}")
        left = remove(root, each.path)
        if each.path == f"stages.{last}" and isinstance(root.get("pipeline"), list):
            left["pipeline"] = [stage for stage in root["pipeline"] if stage != last]
        kept: dict[str, Any] = self._trees.keep(left)
        return kept

    def _leaves(
        self, each: Given, root: Mapping[str, Any], composed: Composed
    ) -> Iterator[tuple[str, Any]]:
        """Yield (path, value) of a value; a mapping given for a node is its keys one by one."""
        yield from self._split(each.path, each.value, root, composed)

    def _split(
        self, path: str, value: Any, root: Mapping[str, Any], composed: Composed
    ) -> Iterator[tuple[str, Any]]:
        short = self._short(path, value, root, composed)
        if short:
            yield f"{path}.{short}", value
            return
        if isinstance(value, Mapping) and value and not self._is_new_node(path, value, root):
            try:
                target = self.locator(root, composed.choices).find(path)
            except Unknown:
                yield path, value
                return
            if isinstance(target, Node):
                for key, inner in value.items():
                    yield from self._split(f"{path}.{key}", inner, root, composed)
                return
        yield path, value

    def _short(self, path: str, value: Any, root: Mapping[str, Any], composed: Composed) -> str:
        """Return the key that a bare text given for a mapping stands for; empty for none."""
        head, _, rest = path.partition(".")
        group = rest.partition(".")[2].partition(".")[0] if head == "stages" else head
        if not isinstance(value, str) or group not in self._with_entries:
            return ""
        try:
            target = self.locator(root, composed.choices).find(path)
        except Unknown:
            return ""
        return target.short if isinstance(target, Node) else ""

    def _is_new_node(self, path: str, value: Any, root: Mapping[str, Any]) -> bool:
        """Tell whether a value is a whole component put where there is none or another one."""
        name = value.get("name") if isinstance(value, Mapping) else None
        now = at(root, path)
        old = now.get("name") if isinstance(now, Mapping) else None
        return name is not None and name != old

    def _one(self, each: Given, path: str, value: Any, locator: Locator) -> Fault | Key | None:
        """Return a value's fault, or its key (None where it is no single key)."""
        new = self._new_component(path, value, locator, each)
        if new is not None:
            return new if isinstance(new, Fault) else None
        try:
            target = self._new_stage(each, path, locator) or locator.find(path)
        except Unknown as error:
            return Fault(each.typed, str(error))
        if isinstance(target, NameOf):
            return self._name(each, target, value)
        if isinstance(target, Node) and target.short and value is None:
            return Key(path, FieldInfo(path.rpartition(".")[2], "any"), target.stage)
        if isinstance(target, Node):
            return self._node(each, target, value)
        try:
            values.fit(value, target.field)
        except Misfit as error:
            message = values.misfit_message(path, value, target.field, error)
            now = at(locator.root, path)
            if now is not None and not target.field.mandatory:
                message = message.replace(
                    f"{shown(target.field.default)} by default", f"{shown(now)} now", 1
                )
            return Fault(each.typed, message)
        return target

    def _new_stage(self, each: Given, path: str, locator: Locator) -> Key | None:
        """Return a free key where ``+stages.NEW=…`` describes a stage that is not there yet."""
        parts = path.split(".")
        adds = each.override.is_add() or each.override.is_force_add()
        if (
            adds
            and len(parts) == 2
            and parts[0] == "stages"
            and parts[1] not in locator.stage_nodes
        ):
            return Key(path, FieldInfo(parts[1], "dict[str,any]"))
        return None

    def _new_component(
        self, path: str, value: Any, locator: Locator, each: Given
    ) -> Fault | bool | None:
        """Return True for a whole new component (a source, a part), its fault, or None for none."""
        if not isinstance(value, Mapping) or "name" not in value:
            return None
        parent, _, _ = path.rpartition(".")
        try:
            target = locator.find(path)
        except Unknown as error:
            if not parent:
                return Fault(each.typed, str(error))
            try:
                target = locator.find(parent)
            except Unknown as outer:
                return Fault(each.typed, str(outer))
            if not isinstance(target, Node) or not target.many:
                return Fault(each.typed, str(error))
        if not isinstance(target, Node) or target.group is None:
            return None
        known = self._schema.components.get(target.group, {})
        name = str(value["name"])
        if problems := self._schema.problems(target.group, name):
            return Fault(each.typed, "\n  ".join(problems))
        if self._schema.find(target.group, name) is None:
            near = did_you_mean(name, known) or f" There is {listed(known)}."
            return Fault(each.typed, f"there is no {target.group} named '{name}'.{near}")
        return True

    def _name(self, each: Given, target: NameOf, value: Any) -> Fault | None:
        if value == target.now:
            return None
        known = self._schema.components.get(target.group, {})
        place = f"stages.{target.stage}." if target.stage else ""
        how = place + (target.group.replace("/", ".") if place else target.group)
        if self._schema.find(target.group, str(value)) is not None:
            return Fault(each.typed, f"is chosen as a whole: {pasted(f'{how}={value}')}")
        near = did_you_mean(str(value), known) or f" There is {listed(known)}."
        return Fault(each.typed, f"there is no {target.group} named '{value}'.{near}  ({how}=…)")

    def _node(self, each: Given, target: Node, value: Any) -> Fault | None:
        if isinstance(value, Mapping):
            return None
        if value is None and (target.group is not None or target.removable):
            return None
        keys = listed(target.keys, 8)
        if target.group is not None and not target.many:
            return Fault(
                each.typed,
                f"is chosen, not set: {choosing(target.path, target.group)}={shown(value)}",
            )
        if target.many and target.group is not None:
            listing = value if isinstance(value, list) else [value]
            how = pasted(f"{target.group}={shown(listing)}")
            if target.group not in self._schema.lists:
                how = f"{target.path}.KEY=NAME"
            return Fault(each.typed, f"is chosen, not set: {how}")
        return Fault(each.typed, f"holds keys ({keys}); type {target.path}.KEY=VALUE")
