"""What was run: the stages as a graph, each in words, and every value that is not the default."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from etude.config import needs
from etude.plan.digest import FileHashes
from etude.plan.kinds import Kinds
from etude.plan.nodes import START, Graph, StageNode
from etude.plan.quantities import number
from etude.plan.references import Base, Made, Reference, each_of, spelled
from etude.schema import FieldInfo, Schema, structs

#: Values of a stage that are written out; a longer one is cut.
_LONGEST = 160


@dataclass(frozen=True)
class Box:
    """A stage name in the graph, or a model or rows that no stage made."""

    name: str
    lines: tuple[str, ...]
    is_stage: bool
    column: int = 0


@dataclass(frozen=True)
class Arrow:
    """What one box is given by another; ``label`` is empty where it is what a stage starts from."""

    start: str
    end: str
    label: str


@dataclass(frozen=True)
class Value:
    """A value that is not the default of its component, with that default."""

    path: str
    value: str
    default: str


@dataclass(frozen=True)
class StageWords:
    """The stages of one name: what they are in words and what is set in them.

    ``sentences`` are label → what each of them says, ``values`` those that all have, ``varying``
    key → the values that they differ in.
    """

    name: str
    title: str
    count: int
    sentences: Mapping[str, tuple[str, ...]]
    values: tuple[Value, ...]
    varying: Mapping[str, tuple[str, ...]]


def boxes(graph: Graph, kinds: Kinds) -> tuple[list[Box], list[Arrow]]:
    """Return the recipe as a graph: stages of a name are one box, whatever members differ in."""
    by_name: dict[str, list[StageNode]] = {}
    for node in graph.stages.values():
        by_name.setdefault(node.name, []).append(node)
    arrows: dict[Arrow, None] = {}
    outside: dict[str, Box] = {}
    for name, nodes in by_name.items():
        for node in nodes:
            for place, value in {START: Base(), **node.inputs}.items():
                for each in each_of(value):
                    start = _source(each, graph, kinds, node, outside)
                    if start != name:
                        arrows.setdefault(Arrow(start, name, _label(place)))
    stages = [_box(name, nodes, kinds) for name, nodes in by_name.items()]
    return _placed([*outside.values(), *stages], list(arrows)), list(arrows)


def _source(
    of: Reference, graph: Graph, kinds: Kinds, node: StageNode, outside: dict[str, Box]
) -> str:
    if isinstance(of, Made):
        return graph.stages[of.stage].name
    name = kinds.origin(node) if isinstance(of, Base) else spelled(of)
    outside.setdefault(name, Box(name, ("base model",) if isinstance(of, Base) else (), False))
    return name


def _label(place: str) -> str:
    parts = place.split(".")
    if place == START:
        return ""
    return parts[1] if parts[0] in ("models", "sources") and len(parts) > 1 else place


def _box(name: str, nodes: Sequence[StageNode], kinds: Kinds) -> Box:
    titles = list(dict.fromkeys(kinds.title(node)[0] for node in nodes))
    data = list(dict.fromkeys(filter(None, (kinds.title(node)[1] for node in nodes))))
    lines = [
        titles[0] if len(titles) == 1 else f"{len(titles)} objectives",
        data[0] if len(data) == 1 else f"{len(data)} mixes of rows" if data else "",
    ]
    count = f" × {len(nodes)}" if len(nodes) > 1 else ""
    return Box(name + count, tuple(filter(None, lines)), True)


def _placed(found: Sequence[Box], arrows: Sequence[Arrow]) -> list[Box]:
    """Return boxes with columns: each to the right of everything that it is given."""
    columns = {_plain(box): 0 for box in found}
    for _ in found:  # as often as a chain may be long
        for arrow in arrows:
            columns[arrow.end] = max(columns[arrow.end], columns[arrow.start] + 1)
    return [Box(box.name, box.lines, box.is_stage, columns[_plain(box)]) for box in found]


def _plain(box: Box) -> str:
    """Return the name that arrows know a box by."""
    return box.name.rpartition(" × ")[0] if box.is_stage and " × " in box.name else box.name


def in_words(graph: Graph, kinds: Kinds, schema: Schema) -> list[StageWords]:
    """Return the stages by name, in the order of the plan."""
    by_name: dict[str, list[StageNode]] = {}
    for node in graph.stages.values():
        by_name.setdefault(node.name, []).append(node)
    return [_words(name, nodes, kinds, schema) for name, nodes in by_name.items()]


def _words(name: str, nodes: Sequence[StageNode], kinds: Kinds, schema: Schema) -> StageWords:
    sentences: dict[str, dict[str, None]] = {}
    for node in nodes:
        for label, sentence in kinds.said(node).items():
            sentences.setdefault(label, {}).setdefault(sentence)
    every = [dict(_values(node, schema)) for node in nodes]
    first = every[0]
    shared = [
        value for key, value in first.items() if all(other.get(key) == value for other in every)
    ]
    aside = {value.path for value in shared}
    varying: dict[str, dict[str, None]] = {}
    for found in every:
        for key in dict.fromkeys(key for other in every for key in other):
            if key not in aside:
                own = found.get(key)
                varying.setdefault(key, {}).setdefault(own.value if own else "default")
    titles = dict.fromkeys(kinds.title(node)[0] for node in nodes)
    return StageWords(
        name,
        " · ".join(titles),
        len(nodes),
        {label: tuple(each) for label, each in sentences.items()},
        tuple(shared),
        {key: tuple(each) for key, each in varying.items()},
    )


def _values(node: StageNode, schema: Schema) -> Iterator[tuple[str, Value]]:
    """Yield path → value of everything in a stage that its component does not have by default."""
    seed = node.config.get("seed")
    if seed is not None:
        yield "seed", Value("seed", str(seed), "1")
    learner = needs.learner_of(node.config, schema)
    for used in needs.used_by(node.config, schema):
        for field in used.info.fields_in(used.node):
            if field.name not in used.node or not learner.reads(field):
                continue
            value = used.node[field.name]
            if field.slot and isinstance(value, Mapping):
                chosen = str(value.get("preset") or value.get("name"))
                default = str(field.default)
                if chosen != default:
                    path = f"{used.path}.{field.name}"
                    yield path, Value(path, chosen, default)
            elif not field.slots:
                yield from _set(f"{used.path}.{field.name}", value, field)


def _set(path: str, value: Any, field: FieldInfo) -> Iterator[tuple[str, Value]]:
    """Yield what differs from its default at a path, inside mappings each by itself."""
    if isinstance(value, Mapping):
        if "name" in value:
            return  # a component, which is looked at by itself
        if path.startswith("models.") and _stands_ready(value):
            return
        kind = field.type if isinstance(field.type, dict) else {}
        known = structs(field.type) or {}
        for key, item in value.items():
            unset = FieldInfo(str(key), kind.get("dict", "any"))
            yield from _set(f"{path}.{key}", item, known.get(str(key), unset))
    elif value != field.default:
        default = _written(field.default) if field.doc else ""  # a free key has neither
        yield path, Value(path, _written(value), default)


def _stands_ready(role: Mapping[str, Any]) -> bool:
    """Tell whether a role is as every config has it: loaded from the start, nothing else set."""
    return role.get("load") == "start" and not any(
        item is not None
        for key, value in role.items()
        if key != "load"
        for item in (value.values() if isinstance(value, Mapping) else [value])
    )


def _written(value: Any) -> str:
    if isinstance(value, str):
        text = repr(value) if not value or value != value.strip() else value
    else:
        text = number(value)
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"


def sources(graph: Graph, schema: Schema) -> list[tuple[str, str]]:
    """Return the sources that stages read, each with what it is set to and its content's hash.

    The hash is that of the files as they were planned, remembered under ``outputs``; none is made.
    """
    known = FileHashes(graph.outputs)
    found: dict[str, str] = {}
    for node in graph.stages.values():
        for used in needs.used_by(node.config, schema):
            top, _, name = used.path.partition(".")
            if top != "sources" or "." in name or name in found:
                continue
            told = [used.info.name]
            for key, value in used.node.items():
                field = used.info.field_of(key)
                if field is not None and value != field.default and not isinstance(value, Mapping):
                    told.append(f"{key} {_written(value)}")
            path = used.node.get("path")
            if isinstance(path, str):
                told += [f"{file}: {digest[:12]}" for file, digest in known.remembered(path)]
            found[name] = " · ".join(told)
    return list(found.items())
