"""A class of a person's file as a component: its fields and needs, read from its text.

It is a frozen dataclass that stands on one of etude's classes. Its fields are those of the classes
it stands on and its own, each with a default as a literal or ``option(…)``.
"""

from __future__ import annotations

import ast
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from importlib import import_module
from typing import Any

from etude.by_path.declared import Declared, called
from etude.by_path.literals import Unreadable, type_of, value_of
from etude.by_path.slots import slot_of
from etude.config.reflect import describe_fields
from etude.entries import ComponentInfo, NeedInfo, RuleInfo, Schema
from etude.fields import FieldInfo

#: Light classes of etude that components stand on; all others of etude that have fields are
#: components themselves.
_WITH_FIELDS = {"etude.verifier.interface:Verifier": "verifier"}

#: The class of verifiers that judge in the process of the stage.
_IN_STAGE = "etude.verifier.opened:OpenedVerifier"

_PARTS = "etude.objective.parts"

#: Classes of etude that say in which place a component stands.
_GROUP_OF = {
    "etude.curriculum.interface:Curriculum": "curriculum",
    "etude.environment.interface:Environment": "environment",
    "etude.evaluation.kind:Evaluation": "evaluation",
    "etude.rollout.budget.kind:Budget": "rollout/budget",
    "etude.rollout.gate.kind:Gate": "rollout/gate",
    "etude.training.moves.kind:Move": "training/moves",
    "etude.verifier.interface:Verifier": "verifier",
    _IN_STAGE: "verifier",
    "etude.rollout.episode.interface:Episode": "rollout/episode",
    "etude.rollout.logits.interface:Logits": "rollout/logits",
    "etude.reward_weighting.interface:RewardWeighting": "reward_weighting",
    "etude.objective.mismatch.kind:Mismatch": "objective/mismatch",
    "etude.objective.sample_weights.kind:SampleWeights": "objective/sample_weights",
    "etude.data_mix.filter.kind:RowFilter": "data_mix/filter",
    f"{_PARTS}:GroupFilter": "objective/filter",
    f"{_PARTS}:PolicyLoss": "objective/policy_loss",
    f"{_PARTS}:ExtraUpdate": "objective/extra_update",
    **{
        f"{_PARTS}:{name}": f"objective/{name.lower()}"
        for name in (
            "Advantage",
            "Aggregation",
            "Auxiliary",
            "Guidance",
            "Imitation",
            "Masking",
            "Modifier",
            "Regularizer",
            "Selection",
            "Shaping",
        )
    },
}

#: What :func:`etude.component.option` takes after default and doc.
_LIMITS = frozenset({"ge", "gt", "le", "lt", "items"})


@dataclass
class Read:
    """What the text of a class says; ``problems`` say what in it cannot be read.

    ``groups`` are those that the classes of etude which it stands on belong to.
    """

    fields: dict[str, FieldInfo] = field(default_factory=dict)
    requires: list[NeedInfo] = field(default_factory=list)
    provides: list[NeedInfo] = field(default_factory=list)
    conflicts: list[NeedInfo] = field(default_factory=list)
    rules: list[RuleInfo] = field(default_factory=list)
    words: str = ""
    at_most: str = ""
    in_stage: bool = False
    groups: set[str] = field(default_factory=set)
    problems: list[str] = field(default_factory=list)


def read(
    cls: ast.ClassDef, tree: ast.Module, known: Mapping[str, ast.expr], schema: Schema
) -> Read:
    """Return what a class of a file says of itself."""
    found = Read()
    if not _is_frozen_dataclass(cls):
        found.problems.append(
            f"{cls.name} has to be a frozen dataclass (@dataclass(frozen=True), line {cls.lineno})."
        )
    reader = _Reader(tree, known, schema, found)
    reader.bases(cls)
    reader.own(cls)
    return found


class _Reader:
    def __init__(
        self, tree: ast.Module, known: Mapping[str, ast.expr], schema: Schema, found: Read
    ) -> None:
        self.known = known
        self.schema = schema
        self.found = found
        self.here = {node.name: node for node in tree.body if isinstance(node, ast.ClassDef)}
        self.imported = _imported(tree)
        self.declared = Declared(known, self.imported)
        self.seen: set[str] = set()

    def bases(self, cls: ast.ClassDef) -> None:
        """Take over what the classes that it stands on have."""
        for base in cls.bases:
            name = ast.unparse(base)
            if name in self.here and name not in self.seen:
                self.seen.add(name)
                self.bases(self.here[name])
                self.own(self.here[name])
                continue
            place = self.imported.get(name, "")
            if not place.startswith("etude."):
                if name not in ("Protocol", "ABC", "Generic", "object") and not place:
                    self._problem(cls, f"stands on {name}, whose fields cannot be read")
                elif place and name not in ("Protocol", "ABC", "Generic"):
                    self._problem(cls, f"stands on {name} of {place.partition(':')[0]}")
                continue
            self._of_etude(place)

    def _of_etude(self, place: str) -> None:
        component = self._component(place)
        if component is not None:
            self.found.groups.add(component.group)
        elif place in _GROUP_OF:
            self.found.groups.add(_GROUP_OF[place])
            self.found.in_stage = self.found.in_stage or place == _IN_STAGE
        if component is not None:
            self.found.fields |= component.fields
            self.found.requires += component.requires
            self.found.provides += component.provides
            self.found.conflicts += component.conflicts
            self.found.rules += component.rules
            self.found.words, self.found.at_most = component.words, component.at_most
            self.found.in_stage = component.in_stage
        elif place in _WITH_FIELDS:
            module, _, name = place.partition(":")
            entries = describe_fields(getattr(import_module(module), name), _WITH_FIELDS[place])
            self.found.fields |= {key: FieldInfo.of(key, each) for key, each in entries.items()}

    def _component(self, place: str) -> ComponentInfo | None:
        for entries in self.schema.components.values():
            for info in entries.values():
                if info.cls == place:
                    return info
        return None

    def own(self, cls: ast.ClassDef) -> None:
        """Read its own fields, class variables and ``@component(…)``."""
        for node in cls.decorator_list:
            if isinstance(node, ast.Call) and self.declared.calls(node, "component"):
                self._declared(node, cls)
        for statement in cls.body:
            if isinstance(statement, ast.Assign):
                for each in statement.targets:
                    self._variable(each, statement.value, cls.name)
            if not isinstance(statement, ast.AnnAssign):
                continue
            target = statement.target
            if not isinstance(target, ast.Name):
                continue
            if "ClassVar" in ast.unparse(statement.annotation):
                self._variable(target, statement.value, cls.name)
                continue
            if target.id == "name":
                self._problem(
                    statement, "has a field 'name', which names the part itself", cls.name
                )
                continue
            try:
                self.found.fields[target.id] = self._field(target.id, statement)
            except Unreadable as error:
                self._problem(statement, f"has the field '{target.id}': {error}", cls.name)

    def _variable(self, target: ast.expr, value: ast.expr | None, name: str) -> None:
        """Read a class variable that planning knows, and drop the field it takes the place of."""
        if not isinstance(target, ast.Name) or value is None:
            return
        self.found.fields.pop(target.id, None)
        try:
            if target.id == "base_requires":
                self.found.requires += self.declared.needs(value)
            elif target.id in ("words", "at_most"):
                setattr(self.found, target.id, self.declared.text(value))
        except Unreadable as error:
            self._problem(value, f"has the class variable '{target.id}': {error}", name)

    def _declared(self, call: ast.Call, cls: ast.ClassDef) -> None:
        """Read the needs of ``@component(…)``; one that is not understood must not get lost."""
        for keyword in call.keywords:
            into = {
                "requires": self.found.requires,
                "provides": self.found.provides,
                "conflicts": self.found.conflicts,
            }.get(keyword.arg or "")
            try:
                if into is not None:
                    into += self.declared.needs(keyword.value)
                elif keyword.arg is None:
                    raise Unreadable("it is computed")
            except Unreadable as error:
                said = f"declares what cannot be read ({error})"
                self._problem(keyword.value, said, cls.name)

    def _field(self, name: str, statement: ast.AnnAssign) -> FieldInfo:
        if isinstance(statement.value, ast.Call) and called(statement.value) in ("slot", "slots"):
            return slot_of(name, statement.value, self.declared, self.schema)
        kind, optional, choices, doc = type_of(statement.annotation)
        described = FieldInfo(
            name,
            kind,
            optional,
            doc=doc or f"field of {ast.unparse(statement.target)}",
            choices=tuple(choices) if choices is not None else None,
        )
        value = statement.value
        if value is None:
            return replace(described, mandatory=True)
        if isinstance(value, ast.Call):
            return self._declared_field(described, value)
        default = value_of(value, self.known)
        return _with_default(described, default)

    def _declared_field(self, described: FieldInfo, call: ast.Call) -> FieldInfo:
        if called(call) != "option":
            raise Unreadable("a default that is called for cannot be read; use option(…)")
        given: dict[str, Any] = dict(
            zip(
                ("default", "doc"),
                (value_of(each, self.known) for each in call.args),
                strict=False,
            )
        )
        given |= {k.arg: value_of(k.value, self.known) for k in call.keywords if k.arg}
        field_ = replace(
            described,
            doc=given.get("doc") or described.doc,
            kind=given.get("kind", "result"),
            bounds={k: given[k] for k in _LIMITS if given.get(k) is not None},
            read_by=given.get("read_by", ""),
            escapes=bool(given.get("escapes", False)),
            form=given.get("form") or "",
            form_when=given.get("form_when", ""),
        )
        if given.get("choices") is not None:
            field_ = replace(field_, choices=tuple(given["choices"]))
        if "default" not in given:
            return replace(field_, mandatory=True)
        return _with_default(field_, given["default"])

    def _problem(self, node: ast.AST, said: str, name: str = "") -> None:
        own = name or getattr(node, "name", "it")
        self.found.problems.append(f"{own} {said} (line {getattr(node, 'lineno', '?')}).")


def _with_default(described: FieldInfo, default: Any) -> FieldInfo:
    if described.type == "float" and type(default) is int:
        default = float(default)
    return replace(described, default=default, optional=described.optional or default is None)


def _imported(tree: ast.Module) -> dict[str, str]:
    """Return a name that a file imports → ``module:name`` where it comes from."""
    found: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            module = "." * node.level + (node.module or "")
            found |= {each.asname or each.name: f"{module}:{each.name}" for each in node.names}
    return found


def _is_frozen_dataclass(cls: ast.ClassDef) -> bool:
    for node in cls.decorator_list:
        if isinstance(node, ast.Call) and called(node) == "dataclass":
            return any(
                keyword.arg == "frozen"
                and isinstance(keyword.value, ast.Constant)
                and keyword.value.value is True
                for keyword in node.keywords
            )
    return False
