"""A component in words, from its resolved node alone.

A component says itself in words through a class variable ``words``, which the schema carries::

    words: ClassVar[str] = "clipped ({clip_low}, {clip_high})[, dual clip {dual_clip}]"

``{field}`` is one of its fields (a part filled by another component is that component's words) or
one of ``{rows}``, ``{prompts}``, ``{rollouts}`` of an update, ``{all_rows}`` (``all 256 rows``, or
``the rows kept of 256``) and ``{max_new_tokens}``. What stands in square brackets is left out when
one of its fields is null, false, zero or empty; ``[text|other]`` says the other then, and
``[field?text]`` looks at a field that it does not say. A component without words is named with its
numbers, so nothing here knows a method.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from etude.by_path.reference import is_reference
from etude.plan.answers import Answers, answers
from etude.plan.quantities import number
from etude.schema import ComponentInfo, Schema

Config = Mapping[str, Any]

_OPTIONAL = re.compile(r"\[([^\[\]]*)\]")
_FIELD = re.compile(r"\{(\w+)\}")


class ComponentWords:
    """Says the components of one resolved stage config in words, by the sizes that it has.

    A component that ``schema`` does not know is named with all its numbers. ``learner`` is the
    stage's learner (``policy_gradient``, ``supervised``, …).
    """

    def __init__(self, config: Config, learner: str, schema: Schema) -> None:
        self.config = config
        self.learner = learner
        self.schema = schema
        self._is = schema.learner(learner)

    def component(self, group: str, node: Config) -> str:
        """Return one component in words: its own template, or its name with its numbers."""
        name = str(node.get("name", ""))
        info = self.schema.find(group, name)
        own = template_of(info)
        if own:
            return self._fill(own, group, node)
        usual = {key: described.default for key, described in info.fields.items()} if info else {}
        numbers = [
            f"{key} {number(value)}"
            for key, value in node.items()
            if isinstance(value, (int, float))
            and not isinstance(value, bool)
            and not (key in usual and usual[key] == value)
        ]
        shown = name if is_reference(name) else name.replace("_", " ")
        return f"{shown} ({', '.join(numbers)})" if numbers else shown

    def _fill(self, template: str, group: str, node: Config) -> str:
        values = {**self._context(), **node}
        info = self.schema.find(group, str(node.get("name")))

        def one(match: re.Match[str]) -> str:
            value = values.get(match[1])
            if isinstance(value, Mapping) and "name" in value:
                field = info.field_of(match[1]) if info is not None else None
                slot = field.slot if field is not None else None
                return self.component(slot or f"{group}/{match[1]}", value)
            if isinstance(value, Mapping):
                return " + ".join(f"{key} {number(item)}" for key, item in value.items())
            return f"{value:,}" if type(value) is int else number(value)

        def optional(match: re.Match[str]) -> str:
            text, _, other = match[1].partition("|")
            condition, asks, rest = text.partition("?")
            wanted = [condition] if asks else _FIELD.findall(text)
            return (rest if asks else text) if all(map(values.get, wanted)) else other

        return _FIELD.sub(one, _OPTIONAL.sub(optional, template))

    def _context(self) -> dict[str, Any]:
        prompts, rollouts = self._groups()
        updates = max(1, int(self._node("training").get("updates_per_step") or 1))
        rows = prompts * rollouts // updates if self._is.groups else self._rows_of_a_step()
        return {
            "rows": rows,
            "all_rows": f"the rows kept of {rows:,}"
            if self._drops_rows()
            else f"all {rows:,} rows",
            "prompts": prompts // updates,
            "rollouts": rollouts,
            "max_new_tokens": self._node("rollout").get("max_new_tokens"),
        }

    def _drops_rows(self) -> bool:
        """Tell whether a part of the objective takes rows out; a filter draws new ones."""
        return any(self._parts(slot) for slot in ("masking", "selection"))

    @property
    def _answers(self) -> Answers:
        return answers(self.config, self.schema)

    def _groups(self) -> tuple[int, int]:
        prompts = int(self._node("training").get("prompts_per_step") or 0)
        return prompts, self._answers.most

    def _rows_of_a_step(self) -> int:
        return int(self._node("training").get("rows_per_step") or 0)

    def _many(self, slot: str) -> Iterator[str]:
        for key, node in self._parts(slot).items():
            yield self.component(f"objective/{slot}", {"name": key, **node})

    def _parts(self, slot: str) -> dict[str, Config]:
        parts = self._node("objective").get(slot)
        if not isinstance(parts, Mapping):
            return {}
        return {key: node for key, node in parts.items() if isinstance(node, Mapping)}

    def _node(self, key: str) -> Config:
        node = self.config.get(key)
        return node if isinstance(node, Mapping) else {}

    @staticmethod
    def _part(node: Config, slot: str) -> Config:
        part = node.get(slot)
        return part if isinstance(part, Mapping) else {}


def template_of(info: ComponentInfo | None) -> str:
    """Return what a component says itself by, empty where it does not."""
    return info.words if info is not None else ""
