"""No key takes a number that is none, or one whose size makes no sense."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import pytest

from etude.config.spelling import root_fields, stage_fields
from etude.config.values import Misfit, fit, misfit_message
from etude.schema import FieldInfo, built_in


def _numeric(path: str, field: FieldInfo) -> Iterator[tuple[str, FieldInfo, Any]]:
    """Yield the keys that take numbers, with a function that wraps one in the key's own form."""
    for name, inner in (field.struct or {}).items():
        yield from _numeric(f"{path}.{name}", inner)
    forms = {
        "int": lambda value: value,
        "float": lambda value: value,
        "list[int]": lambda value: [value] * (field.length or 1),
        "list[float]": lambda value: [value] * (field.length or 1),
        "dict[str,float]": lambda value: {"a": value},
        "dict[str,any]": lambda value: {"a": {"b": [value]}},
    }
    if isinstance(field.type, str) and field.type in forms:
        yield path, field, forms[field.type]


def numeric_keys() -> list[Any]:
    """Return every key of every component, of the root and of stages that takes numbers."""
    components = [
        (f"{group}={name}.{key}", field)
        for group, entries in built_in().components.items()
        for name, info in entries.items()
        for key, field in info.fields.items()
    ]
    rest = [*root_fields(evaluate=True).items(), *stage_fields().items()]
    return [each for path, field in [*components, *rest] for each in _numeric(path, field)]


@pytest.mark.parametrize(
    "value", [math.inf, -math.inf, math.nan, 1e300, -(10**300), 10**19], ids="{:.0e}".format
)
def test_no_key_takes_a_number_that_makes_no_sense(value: float) -> None:
    keys = numeric_keys()
    assert len(keys) > 250
    taken = []
    for path, field, form in keys:
        try:
            fit(form(value), field)
            taken.append(path)
        except Misfit as error:
            assert len(misfit_message(path, form(value), field, error)) < 700
    assert not taken


def test_no_default_is_refused() -> None:
    for _, field, _ in numeric_keys():
        if not field.mandatory:
            fit(field.default, field)


def test_the_message_says_what_stands_for_none() -> None:
    clip = built_in().components["training"]["standard"].fields["gradient_clip"]
    with pytest.raises(Misfit, match="a finite number, and null means none"):
        fit(math.inf, clip)
