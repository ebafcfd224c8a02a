"""Slots of a class of a person's file: fields that components of a group of etude fill.

Such a class has no group of its own below it, so a slot names one: ``slot("number", "asked first",
group="verifier")``.
"""

from __future__ import annotations

import ast
from typing import Any

from etude.by_path.declared import Declared, called
from etude.by_path.literals import Unreadable
from etude.config.spelling import did_you_mean
from etude.entries import Schema
from etude.fields import FieldInfo


def slot_of(name: str, call: ast.Call, declared: Declared, schema: Schema) -> FieldInfo:
    """Return the field that a written ``slot(…)`` or ``slots(…)`` declares.

    Raises Unreadable where it names no group, or a choice that is not in it.
    """
    written = [declared.text(each) for each in call.args]
    named = {keyword.arg or "**": declared.text(keyword.value) for keyword in call.keywords}
    many = called(call) == "slots"
    choice, doc = [*written, "", ""][:2]
    choices = written if many else [named.get("choice", choice)]
    doc = named.get("doc", "" if many else doc)
    group = named.get("group", "")
    if group not in schema.components:
        near = did_you_mean(group, schema.components)
        raise Unreadable(f"its slot names no group of components (group='verifier').{near}")
    for each in filter(None, choices):
        if each not in schema.choices(group):
            raise Unreadable(
                f"there is no {group}={each}.{did_you_mean(each, schema.choices(group))}"
            )
    default: Any = choices if many else choices[0] or None
    return FieldInfo(
        name,
        {"slots" if many else "slot": group},
        optional=not many and default is None,
        default=default,
        doc=doc or f"field of {name}",
    )


def defaults_of(fields: dict[str, FieldInfo]) -> list[dict[str, str]]:
    """Return the entries of a defaults list that fill slots as they are when nothing is typed."""
    found: list[dict[str, str]] = []
    for name, field in fields.items():
        if field.slots:
            found += [{f"/{field.slots}@{name}.{each}": each} for each in field.default or ()]
        elif field.slot and field.default:
            found.append({f"/{field.slot}@{name}": field.default})
    return found
