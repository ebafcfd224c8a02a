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


def field_lines(fields: dict[str, Any], indent: int = 0) -> list[str]:
    """Return the YAML of every field that is not filled by another file."""
    lines: list[str] = []
    for key, field in fields.items():
        kind, default = field["type"], field["default"]
        if isinstance(kind, dict) and ("slot" in kind or "slots" in kind):
            continue
        doc = _remarks(field)
        if field.get("mandatory"):
            lines += _line(key, "???", doc, indent)
        elif isinstance(kind, dict) and "struct" in kind and isinstance(default, dict):
            lines += _line(key, "", doc, indent)
            merged = {
                k: {**f, "default": default.get(k, f["default"])} for k, f in kind["struct"].items()
            }
            lines += field_lines(merged, indent + 2)
        elif isinstance(default, dict) and default:
            lines += _line(key, "", doc, indent)
            block = yaml.safe_dump(default, sort_keys=False, width=10**6, allow_unicode=True)
            lines += textwrap.indent(block.rstrip("\n"), " " * (indent + 2)).split("\n")
        else:
            lines += _line(key, scalar(default), doc, indent)
    return lines


def _defaults(fields: dict[str, Any]) -> list[str]:
    lines: list[str] = []
    for key, field in fields.items():
        kind = field["type"]
        if isinstance(kind, dict) and ("slot" in kind or "slots" in kind):
            lines += _line(f"  - {key}", scalar(field["default"]), field["doc"], 0)
    return ["defaults:", *lines, "  - _self_"] if lines else []


def component_yaml(group: str, name: str, entry: dict[str, Any]) -> str:
    """Return the text of conf/<group>/<name>.yaml."""
    lines = [f"{MARK}{entry['class'].split(':')[0]} by python -m etude.schema; edit it there."]
    if entry["doc"]:
        lines += comment(entry["doc"])
    if entry["source"]:
        lines += comment(f"Source: {entry['source']}")
    lines += _defaults(entry["fields"])
    body = ["name: " + scalar(name), *field_lines(entry["fields"])]
    if entry["many"]:
        body = [f"{name}:", *("  " + line if line else line for line in body)]
    return "\n".join([*lines, *body]) + "\n"
