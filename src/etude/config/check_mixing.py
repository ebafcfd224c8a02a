"""Names of parts of ``data_mix.train``, wherever a stage has them: whether there are such parts.

A field says with its form that it names one, or has weights by their names. What has rows made on
demand can only name one whose source makes some.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from etude.config import needs
from etude.config.needs import Used
from etude.config.spelling import did_you_mean, listed
from etude.fields import FieldInfo
from etude.schema import Schema
from etude.sources.interface import PARAMETRIC

_FORM = "training part"


def unknown(config: Mapping[str, Any], schema: Schema) -> Iterator[tuple[str, str]]:
    """Yield a fault for each name of a part that is not trained on, and for weights of none."""
    parts = (config.get("data_mix") or {}).get("train")
    if not isinstance(parts, Mapping) or not parts:
        return
    for group in needs.trained_groups(config, schema):
        for used in needs.walk(config.get(group), group, group, schema):
            for field in used.info.fields_in(used.node):
                value, path = used.node.get(field.name), f"{used.path}.{field.name}"
                for place, weights in _weights(value, field, path):
                    yield from _misnamed(place, weights, list(parts))
                if field.form == _FORM and isinstance(value, str):
                    yield from _misnamed_one(path, value, used, config, schema)


def _misnamed_one(
    path: str, name: str, used: Used, config: Mapping[str, Any], schema: Schema
) -> Iterator[tuple[str, str]]:
    parts = list(config["data_mix"]["train"])
    if name not in parts:
        near = did_you_mean(name, parts)
        yield path, f"is '{name}', and data_mix.train has the parts {listed(parts)}.{near}"
        return
    made = [need.what for need in needs.active(used.info.requires, used)]
    able = needs.makers(config, schema)
    if PARAMETRIC in made and name not in able:
        some = f" {listed(able)} can." if able else ""
        yield path, f"is '{name}', a part whose source makes no rows on demand.{some}"


def _weights(value: Any, field: FieldInfo, path: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield (where, part → weight) of a field, or of the structs in it."""
    if not isinstance(value, Mapping):
        return
    if field.form == _FORM:
        yield path, value
        return
    fields = field.struct
    for key, item in value.items():
        below = fields.get(key) if fields is not None else field.entry(str(key))
        if below is not None:
            yield from _weights(item, below, f"{path}.{key}")


def _misnamed(path: str, weights: Mapping[str, Any], parts: list[str]) -> Iterator[tuple[str, str]]:
    for name in weights:
        if name not in parts:
            near = did_you_mean(str(name), parts)
            yield (
                f"{path}.{name}",
                f"names the part '{name}', and data_mix.train has {listed(parts)}.{near}",
            )
    if not any(weight for name, weight in weights.items() if name in parts):
        yield path, f"gives no part of data_mix.train any weight: {path}.{parts[0]}=1"
