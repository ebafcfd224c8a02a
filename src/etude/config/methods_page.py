"""docs/methods.md: from a paper to the command that runs its method, made from the components."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from etude.config.quoting import pasted
from etude.entries import ComponentInfo, Schema

_ARXIV = re.compile(r"(?:arXiv )?(\d{4}\.\d{4,5})")

_HEAD = """# Methods

From a paper to the command that runs its method. This page is written by `python -m etude.schema`
from the components and the recipes; a test holds it to them, and another composes every command.
`etude show OVERRIDES` prints all values of a command, `etude plan OVERRIDES` what it would do.
"""


@dataclass(frozen=True)
class Line:
    """One row of the page."""

    source: str
    doc: str
    command: str

    def text(self) -> str:
        """Return the row in Markdown."""
        return f"| {linked(self.source)} | {self.doc} | `{self.command}` |"


def linked(source: str) -> str:
    """Return a source with its arXiv numbers as links."""
    return _ARXIV.sub(lambda found: f"[{found[1]}](https://arxiv.org/abs/{found[1]})", source)


def base_of(group: str, name: str, schema: Schema) -> tuple[str, bool]:
    """Return the objective a part is shown with, and whether it is that objective's own choice.

    Of the objectives that have the part by default the one of the same name or paper comes first;
    else it is grpo or sft where they have the slot, else the first that has it.
    """
    source = schema.components[group][name].source
    objectives = schema.choices("objective")
    having: list[str] = []
    defaults: list[str] = []
    for key, info in sorted(objectives.items()):
        for described in info.fields.values():
            slot = described.slot or described.slots
            if slot != group:
                continue
            having.append(key)
            chosen = described.default
            chosen = [chosen] if isinstance(chosen, str) else list(chosen or [])
            if name in chosen:
                defaults.append(key)
    if defaults:
        return min(defaults, key=lambda key: (key != name, objectives[key].source != source)), True
    for usual in ("grpo", "sft"):
        if usual in having:
            return usual, False
    return (having[0] if having else "grpo"), False


def _with(base: str, schema: Schema) -> str:
    """Return the overrides that choose an objective in a stage that suits it."""
    info = schema.choices("objective").get(base)
    learner = schema.learner(info.learner or "" if info is not None else "")
    return (info.example if info is not None else "") or learner.example.format(objective=base)


def command_of(info: ComponentInfo, schema: Schema) -> str:
    """Return a command that uses a component."""
    if info.example and info.group != "objective":
        return f"train {info.example}"
    if info.group == "objective":
        return f"train {_with(info.name, schema)}"
    if not info.group.startswith("objective/"):
        return f"train {info.group}={info.name}"
    group = info.group
    base, own = base_of(group, info.name, schema)
    outer = group.rpartition("/")[0]
    for holder in schema.components.get(outer, {}).values() if outer != "objective" else ():
        if any(group in (field.slot, field.slots) for field in holder.fields.values()):
            whole = command_of(holder, schema)
            return f"{whole} {group}={info.name}"
    chosen = f"[{info.name}]" if group in schema.lists else info.name
    start = _with(base, schema)
    return f"train {start}" if own else f"train {start} {pasted(f'{group}={chosen}')}"


def recipes_of(folder: Path) -> Iterator[Line]:
    """Yield a line for every recipe whose header names a paper."""
    for path in sorted(folder.rglob("*.yaml")):
        lines = path.read_text(encoding="utf-8").splitlines()
        header = []
        for line in lines[1:]:
            if not line.startswith("#"):
                break
            header.append(line.lstrip("# ").strip())
        said = " ".join(header)
        found = _ARXIV.findall(said)
        if found:
            name = path.relative_to(folder).with_suffix("").as_posix()
            doc = re.split(r"(?<=[.!?])\s", said)[0]
            doc = doc.replace("|", "or")
            yield Line(f"arXiv {found[0]}", doc, f"train recipe={name}")


def _table(lines: list[Line]) -> str:
    rows = "\n".join(line.text() for line in sorted(lines, key=lambda line: line.command))
    return f"| paper | what it is | command |\n| --- | --- | --- |\n{rows}\n"


def page(schema: Schema, recipes: Path) -> str:
    """Return the whole page."""
    sections: dict[str, list[Line]] = {"Objectives": [], "Recipes": list(recipes_of(recipes))}
    for group in sorted(schema.components):
        for info in schema.choices(group).values():
            if not info.source:
                continue
            title = "Objectives" if group == "objective" else _title(group, schema.groups)
            line = Line(info.source, info.doc.replace("|", "or"), command_of(info, schema))
            sections.setdefault(title, []).append(line)
    shown = [f"## {title}\n\n{_table(lines)}" for title, lines in sections.items() if lines]
    return "\n".join([_HEAD, *shown])


def _title(group: str, docs: Mapping[str, str]) -> str:
    doc = docs.get(group, "")
    return f"`{group}`: {doc}" if doc else f"`{group}`"
