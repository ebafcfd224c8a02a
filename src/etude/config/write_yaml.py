"""A component's description → the commented YAML that a person reads and Hydra composes."""

from __future__ import annotations

import textwrap
from pathlib import Path
from typing import Any

import yaml

WIDTH = 100

#: How the first line of a generated file begins; a file that begins otherwise is a person's.
MARK = "# Generated from "


def is_generated(path: Path) -> bool:
    """Tell whether a file was written from a component's description."""
    with path.open(encoding="utf-8") as file:
        return file.readline().startswith(MARK)


def scalar(value: Any) -> str:
    """Return a value as YAML on one line (lists and dicts in flow style)."""
    text = yaml.safe_dump(value, default_flow_style=True, width=10**6, allow_unicode=True)
    return text.removesuffix("\n").removesuffix("\n...").strip()


def _line(key: str, text: str, doc: str, indent: int) -> list[str]:
    pad = " " * indent
    line = f"{pad}{key}: {text}" if text else f"{pad}{key}:"
    if not doc:
        return [line]
    if len(line) + len(doc) + 4 <= WIDTH:
        return [f"{line}  # {doc}"]
    return [*comment(doc, indent), line]


def comment(text: str, indent: int = 0) -> list[str]:
    """Return text as wrapped comment lines."""
    prefix = " " * indent + "# "
    return textwrap.wrap(text, WIDTH, initial_indent=prefix, subsequent_indent=prefix)


def _remarks(field: dict[str, Any]) -> str:
    """Return a field's doc with its choices."""
    doc: str = field["doc"]
    if field["choices"] and not all(str(choice) in doc for choice in field["choices"]):
        listed = " | ".join(str(choice) for choice in field["choices"])
        doc = f"{doc} ({listed})" if doc else listed
    return doc


def _block(value: Any, indent: int) -> list[str]:
    """Return a mapping as indented lines of YAML."""
    text = yaml.safe_dump(value, sort_keys=False, width=10**6, allow_unicode=True)
    return textwrap.indent(text.rstrip("\n"), " " * indent).split("\n")


def _unusual(entries: dict[str, Any], fields: dict[str, Any]) -> dict[str, Any]:
    """Return entries without the keys whose values are usual."""
    return {
        name: {key: value for key, value in entry.items() if value != fields[key]["default"]}
        for name, entry in entries.items()
    }


def _slot(field: dict[str, Any]) -> str:
    """Return the group of a slot, or nothing for any other field."""
    kind = field["type"]
    return (kind.get("slot") or kind.get("slots") or "") if isinstance(kind, dict) else ""


def _own(field: dict[str, Any], group: str) -> bool:
    return _slot(field).rpartition("/")[0] == group


def field_lines(fields: dict[str, Any], indent: int = 0, group: str = "") -> list[str]:
    """Return the YAML of every field that is not filled by another file.

    ``group`` is that of the component, whose own slots of several need no key where they are empty.
    """
    lines: list[str] = []
    for key, field in fields.items():
        kind, default = field["type"], field["default"]
        doc = _remarks(field)
        if _slot(field):
            if default == [] and not _own(field, group):
                how = f"one: /{_slot(field)}@{key}.KEY=NAME in defaults"
                lines += _line(key, "{}", f"{doc} ({how})", indent)
        elif field.get("entries"):
            lines += comment(doc, indent)
            lines += _block(_unusual(default, kind["dict"]["struct"]), indent) if default else []
        elif field.get("mandatory"):
            lines += _line(key, "???", doc, indent)
        elif isinstance(kind, dict) and "struct" in kind and isinstance(default, dict):
            lines += _line(key, "", doc, indent)
            merged = {
                k: {**f, "default": default.get(k, f["default"])} for k, f in kind["struct"].items()
            }
            lines += field_lines(merged, indent + 2, group)
        elif isinstance(default, dict) and default:
            lines += [*_line(key, "", doc, indent), *_block(default, indent + 2)]
        else:
            lines += _line(key, scalar(default), doc, indent)
    return lines


def _defaults(fields: dict[str, Any], group: str, head: str = "") -> list[str]:
    """Return the lines that choose what fills slots, those inside structs too."""
    lines: list[str] = []
    for key, field in fields.items():
        slot, default, kind = _slot(field), field["default"], field["type"]
        place = f"/{slot}@{head}{key}"
        if slot and _own(field, group):
            lines += _line(f"  - {key}", scalar(default), field["doc"], 0)
        elif slot and isinstance(default, list):
            for name in default:
                lines += _line(f"  - {place}.{name}", scalar(name), field["doc"], 0)
        elif slot and (default is not None or not head):
            lines += _line(f"  - {place}", scalar(default), field["doc"], 0)
        elif isinstance(kind, dict) and "struct" in kind and isinstance(default, dict):
            lines += _defaults(kind["struct"], group, f"{head}{key}.")
    return lines


def component_yaml(group: str, name: str, entry: dict[str, Any]) -> str:
    """Return the text of conf/<group>/<name>.yaml."""
    lines = [f"{MARK}{entry['class'].split(':')[0]} by python -m etude.schema; edit it there."]
    if entry["doc"]:
        lines += comment(entry["doc"])
    if entry["source"]:
        lines += comment(f"Source: {entry['source']}")
    if chosen := _defaults(entry["fields"], group):
        lines += ["defaults:", *chosen, "  - _self_"]
    body = ["name: " + scalar(name), *field_lines(entry["fields"], group=group)]
    return "\n".join([*lines, *body]) + "\n"
