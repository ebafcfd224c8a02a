"""Names of reward parts, wherever a config has them: whether the stage's verifier gives them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Set
from typing import Any

from etude.config.declared_parts import declared
from etude.config.installation import Installation
from etude.config.needs import Used, active
from etude.config.read_yaml import read_yaml
from etude.config.spelling import did_you_mean, listed
from etude.schema import ComponentInfo, FieldInfo

_FORMS = ("part", "part or reward")


def unknown(
    used: list[Used], installation: Installation, returned: set[str] | None = None
) -> Iterator[tuple[str, str]]:
    """Yield a fault for each part that a component names and the stage's verifier does not give.

    A verifier whose parts only calling it tells is not judged, unless it is known what it
    ``returned``.
    """
    verifier = next((each for each in used if each.path == "verifier"), None)
    given = returned or declared(used)
    if verifier is None or not given:
        return
    for each in used:
        for need in active(each.info.requires, each):
            name = need.what.removeprefix("part:")
            if name not in given and name != need.what:
                why = f" {need.why}" if need.why else ""
                yield each.path, _message(name, given, verifier, each, each.path, installation, why)
        for field in each.info.fields.values():
            if field.form not in _FORMS:
                continue
            for name, path in _named(each.node.get(field.name), f"{each.path}.{field.name}"):
                if name not in given and not (name == "reward" and field.form == "part or reward"):
                    yield path, _message(name, given, verifier, each, path, installation)


def _named(value: Any, path: str) -> Iterator[tuple[str, str]]:
    """Yield (part, where it is named); a part of weight 0 is not asked for."""
    if isinstance(value, Mapping):
        yield from ((str(name), f"{path}.{name}") for name, weight in value.items() if weight)
    elif isinstance(value, list):
        yield from ((str(name), path) for name in value)
    elif value is not None:
        yield str(value), path


def _message(
    name: str,
    given: Set[str],
    verifier: Used,
    used: Used,
    path: str,
    installation: Installation,
    why: str | None = None,
) -> str:
    near = did_you_mean(name, sorted(given))
    said = f"names the part '{name}', which {verifier.title} does not give."
    if why is not None:
        said = f"needs the part '{name}'{why}, and {verifier.title} does not give it."
    lines = [f"{said}{near} It gives {listed(sorted(given), 16)}."]
    if path.endswith(f".{name}"):
        lines.append(f"  ~{path}  leaves it out")
    lines += [f"  {choice}  fits" for choice in _fitting(used, given, installation)]
    return "\n".join(lines)


def _fitting(used: Used, given: Set[str], installation: Installation) -> list[str]:
    """Return the choices in the place of a component that name parts of the verifier alone."""
    group = used.info.group
    if "/" in group:
        return []
    found = []
    for name, choice in installation.choices(group).items():
        info = installation.schema.find(group, installation.component_name(group, name))
        if info is not None and _fits(info, read_yaml(choice.path), given):
            found.append(f"{group}={name}")
    return found


def _fits(info: ComponentInfo, written: Mapping[str, Any], given: Set[str]) -> bool:
    asked = {
        part
        for field in info.fields.values()
        if field.form in _FORMS
        for part, _ in _named(_value(field, written), "")
    }
    return bool(asked) and asked <= given


def _value(field: FieldInfo, written: Mapping[str, Any]) -> Any:
    """Return a field's value in a choice: what its file says over the default, key by key."""
    own = written.get(field.name)
    if isinstance(own, Mapping) and isinstance(field.default, Mapping):
        return {**field.default, **own}
    return field.default if own is None else own
