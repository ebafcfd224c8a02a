"""A name that is a place → the description that every component has, or what is wrong with it."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from dataclasses import dataclass, replace
from importlib import import_module
from typing import Any

from etude.by_path import classes, environment, files, returned, signature
from etude.by_path.files import Bundle
from etude.by_path.kinds import KINDS, Kind
from etude.by_path.literals import constants
from etude.by_path.place import Place
from etude.by_path.reference import Reference, is_reference, missing
from etude.by_path.reference import read as read_reference
from etude.component import BEFORE_BATCH, OF_BATCH
from etude.config.quoting import pasted
from etude.config.reflect import describe_fields, first_sentence
from etude.config.spelling import did_you_mean, listed
from etude.entries import ComponentInfo, NeedInfo, Schema
from etude.fields import FieldInfo


@dataclass(frozen=True)
class Described:
    """A component, or the reasons why there is none; each names file and line."""

    info: ComponentInfo | None
    problems: tuple[str, ...] = ()


class ByPath:
    """Describes components by path for one schema; what a file says is read once for each state."""

    def __init__(self, schema: Schema) -> None:
        self._schema = schema
        self._known: dict[tuple[str, str, str], tuple[Bundle, Described]] = {}

    def find(self, group: str, name: str) -> ComponentInfo | None:
        """Return the component that a place is in a group, None where it is none."""
        return self.described(group, name).info if is_reference(name) else None

    def problems(self, group: str, name: str) -> tuple[str, ...]:
        """Return why a place is no component of a group; nothing for a name that is no place."""
        return self.described(group, name).problems if is_reference(name) else ()

    def described(self, group: str, name: str) -> Described:
        """Return the component that a place is in a group, or what is wrong with it."""
        reference = read_reference(name)
        if not reference.file.is_file():
            return Described(None, (missing(reference),))
        try:
            bundle = files.read(reference.file)
        except OSError as error:
            said = f"'{reference.shown}' cannot be read: {error.strerror or error}."
            return Described(None, (said,))
        key = (group, name, str(reference.file))
        known = self._known.get(key)
        if known is None or known[0] is not bundle:
            known = self._known[key] = bundle, self._read(group, reference, bundle)
        return known[1]

    def _read(self, group: str, reference: Reference, bundle: Bundle) -> Described:
        shown = reference.shown
        if bundle.problems:
            return Described(None, bundle.problems)
        if not reference.attribute:
            typed = [pasted(f"{shown}:{name}") for name in offered(bundle.tree)]
            what = f"type {listed(typed, 4)}" if typed else "it has neither a function nor a class"
            return Described(None, (f"'{shown}' is a file; {what}.",))
        node = _defined(bundle.tree, reference.attribute)
        if node is None:
            near = did_you_mean(reference.attribute, offered(bundle.tree))
            some = near or f" It has {listed(offered(bundle.tree)) or 'none'}."
            if reference.attribute in set(files.bound_names(bundle.tree)):
                some = " It only has something else of this name; name the file that defines it."
            said = f"'{shown}' has no function or class '{reference.attribute}'.{some}"
            return Described(None, (said,))
        if isinstance(node, ast.ClassDef):
            if group == "environment" and environment.is_plain(node, bundle.tree):
                return self._plain_class(group, reference, bundle, node)
            return self._class(group, reference, bundle, node)
        kind = KINDS.get(group)
        if kind is None or kind.of_class:
            said = (
                f"{reference.attribute} is a function ({_at(reference, node)}), and in the place of"
                f" {group} stands a class; functions can be"
                f" {listed(name for name, each in KINDS.items() if not each.of_class)}."
            )
            return Described(None, (said,))
        return self._function(group, kind, reference, bundle, node)

    def _function(
        self,
        group: str,
        kind: Kind,
        reference: Reference,
        bundle: Bundle,
        node: returned.Function,
    ) -> Described:
        base = _base_fields(kind, group)
        found = signature.read(node, kind, constants(bundle.tree), base)
        parts, problem = returned.parts_of(node) if group == "verifier" else (None, "")
        metrics: tuple[str, ...] = ()
        if group == "evaluation":
            known, problem = returned.parts_of(node, node.name, "problem")
            metrics = known or ()
            if "view" in found.asks and len(found.asks) > 1:
                other = next(name for name in found.asks if name != "view")
                found.problems.append(
                    f"{node.name} asks for view and for {other}: it is called with view once, or"
                    " with what it asks of a problem for each of them."
                )
        if problem:
            found.problems.append(f"{node.name} {problem}")
        if found.problems:
            return Described(None, tuple(f"{_at(reference, node)}: {s}" for s in found.problems))
        why = f"because {node.name} asks for it ({_at(reference, node)})"
        requires = list(kind.requires)
        requires += [NeedInfo(f"column:{name}", why=why) for name in found.columns]
        requires += [NeedInfo(f"part:{name}", why=why) for name in found.parts]
        requires += [
            NeedInfo(f"model:{role}", why=f"for {name}")
            for name in found.asks
            if (role := kind.role_of(name)) is not None
        ]
        provides = [
            NeedInfo(each) for each in (*kind.provides, *(f"part:{p}" for p in parts or ()))
        ]
        provides += [NeedInfo(f"metric:{name}") for name in metrics]
        if group == "verifier":
            provides.append(NeedInfo("part:thought", when="thought == true"))
        conflicts = []
        if group == "objective/filter" and "rewards" in found.asks:
            conflicts.append(NeedInfo(OF_BATCH, why=BEFORE_BATCH))
        place = _place(reference, bundle, node, asks=found.asks, options=found.options, parts=parts)
        info = self._info(group, reference, node, place, {**found.options, **base})
        return Described(
            replace(
                info,
                cls=kind.adapter,
                requires=tuple(requires),
                provides=tuple(provides),
                conflicts=tuple(conflicts),
            )
        )

    def _plain_class(
        self, group: str, reference: Reference, bundle: Bundle, node: ast.ClassDef
    ) -> Described:
        at = _at(reference, node)
        found = environment.read(node, bundle.tree, constants(bundle.tree), at.rpartition(":")[0])
        if found.problems:
            return Described(None, tuple(f"{at}: {said}" for said in found.problems))
        # It is called with its options, as a function is.
        place = replace(_place(reference, bundle, node, options=found.options), is_function=True)
        return Described(
            replace(
                self._info(group, reference, node, place, found.options),
                cls=KINDS[group].adapter,
                requires=tuple(found.requires),
                provides=tuple(found.provides),
            )
        )

    def _class(
        self, group: str, reference: Reference, bundle: Bundle, node: ast.ClassDef
    ) -> Described:
        found = classes.read(node, bundle.tree, constants(bundle.tree), self._schema)
        if found.groups and group not in found.groups:
            typed = pasted(f"{sorted(found.groups)[0]}={reference.text}")
            found.problems.append(
                f"{node.name} is no {group} ({_at(reference, node)}); type {typed}"
            )
        if found.problems:
            return Described(
                None, tuple(f"{reference.original.name}: {said}" for said in found.problems)
            )
        parts = [need.what.removeprefix("part:") for need in found.provides if not need.when]
        place = _place(reference, bundle, node, parts=tuple(parts) if group == "verifier" else None)
        info = self._info(group, reference, node, place, found.fields)
        of_group = KINDS[group].requires if group in KINDS else ()
        return Described(
            replace(
                info,
                requires=(*of_group, *found.requires),
                provides=tuple(found.provides),
                conflicts=tuple(found.conflicts),
                rules=tuple(found.rules),
                words=found.words,
                in_stage=found.in_stage,
                at_most=found.at_most,
            )
        )

    def _info(
        self,
        group: str,
        reference: Reference,
        node: returned.Function | ast.ClassDef,
        place: Place,
        fields: Mapping[str, FieldInfo],
    ) -> ComponentInfo:
        nothing: dict[str, Any] = {"fields": {}, "requires": [], "provides": [], "conflicts": []}
        said = {"class": "", "source": "", "doc": first_sentence(ast.get_docstring(node))}
        described = ComponentInfo.of(group, reference.text, {**nothing, **said}, "etude")
        return replace(described, fields=dict(fields), place=place)


def _place(
    reference: Reference,
    bundle: Bundle,
    node: returned.Function | ast.ClassDef,
    asks: list[str] | None = None,
    options: Mapping[str, FieldInfo] | None = None,
    parts: tuple[str, ...] | None = None,
) -> Place:
    return Place(
        file=reference.file,
        original=reference.original,
        attribute=reference.attribute,
        line=node.lineno,
        is_function=not isinstance(node, ast.ClassDef),
        asks=tuple(asks or ()),
        options=tuple(options or ()),
        parts=parts,
        prints=bundle.prints,
        modules=bundle.modules,
        main=bundle.main,
    )


def _base_fields(kind: Kind, group: str) -> dict[str, FieldInfo]:
    """Return the fields that every component of a kind has beside its function's options."""
    if not kind.base:
        return {}
    module, _, name = kind.base.partition(":")
    entries = describe_fields(getattr(import_module(module), name), group)
    return {key: FieldInfo.of(key, entry) for key, entry in entries.items()}


def _at(reference: Reference, node: ast.AST) -> str:
    return f"{reference.original.name}:{getattr(node, 'lineno', 1)}"


def _defined(tree: ast.Module, name: str) -> returned.Function | ast.ClassDef | None:
    """Return the function or class of a name, the last where there are several."""
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
    found = [node for node in tree.body if isinstance(node, kinds) and node.name == name]
    return found[-1] if found else None


def offered(tree: ast.Module) -> list[str]:
    """Return the names of a file's functions and classes, private ones only where all are."""
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
    names = [node.name for node in tree.body if isinstance(node, kinds)]
    return [name for name in names if not name.startswith("_")] or names
