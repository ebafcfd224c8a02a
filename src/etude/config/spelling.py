"""Near spellings, and where a key that was written in the wrong place belongs."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from functools import cache
from itertools import takewhile

from etude.config import odd_letters, settings
from etude.config.keys import at
from etude.config.quoting import shortened
from etude.config.reflect import describe_fields
from etude.entries import Schema
from etude.fields import FieldInfo, structs

#: Key that once was, of any component → what takes its place.
_REPLACED = {
    "rollout_correction": "It is a part now: objective/mismatch=tis, with "
    "objective.mismatch.high=2.0",
    "rollout_correction_low": "It is a part now: objective/mismatch=icepop, with "
    "objective.mismatch.low=0.5 and objective.mismatch.high=5.0",
}
#: What messages call the root, as the owner of a key.
WHOLE = "the config"


def nearest(word: str, options: Iterable[str], count: int = 1) -> list[str]:
    """Return the options spelled most like a word, best first; none when nothing is near."""
    listed = list(dict.fromkeys(options))
    lower = {option.lower().replace("-", "_"): option for option in listed}
    asked = odd_letters.plain(word).lower().replace("-", "_")
    if asked in lower:
        return [lower[asked]]
    found = difflib.get_close_matches(asked, list(lower), count, 0.6)
    # Two letters in the wrong order are too few for a ratio to see.
    found = found or [name for name in lower if len(name) < 4 and sorted(name) == sorted(asked)]
    return [lower[name] for name in found]


def did_you_mean(word: str, options: Iterable[str]) -> str:
    """Return "Did you mean x?" with a space before it, or nothing; odd letters are named."""
    found = nearest(word, options)
    near = f" Did you mean {found[0]}?" if found else ""
    odd = odd_letters.named(word)
    return f"{near} ({odd})" if odd else near


def listed(options: Iterable[str], limit: int = 12) -> str:
    """Return options separated by commas, shortened when there are many."""
    names = list(options)
    return ", ".join(names[:limit]) + (", …" if len(names) > limit else "")


@cache
def root_fields(evaluate: bool = False) -> Mapping[str, FieldInfo]:
    """Return the plain keys of the root by name."""
    cls = settings.EvaluateRoot if evaluate else settings.Root
    return {name: FieldInfo.of(name, entry) for name, entry in describe_fields(cls, "").items()}


@cache
def stage_fields() -> Mapping[str, FieldInfo]:
    """Return the keys of `stages.<name>` that overlay nothing."""
    return {
        name: FieldInfo.of(name, entry)
        for name, entry in describe_fields(settings.Stage, "").items()
    }


def unknown_learner(name: str, schema: Schema) -> str:
    """Return what is wrong with an objective whose learner is not installed."""
    near = did_you_mean(name, schema.learners) or f" There are {listed(schema.learners)}."
    return f"names the learner '{name}', which is not installed.{near}"


def places_of(key: str, schema: Schema, root: Mapping[str, object]) -> list[str]:
    """Return the key paths of a config at which a key of this name is known.

    Components that the config has chosen come first; each path is one a person can type.
    """
    found: list[str] = []
    for name, field in root_fields().items():
        if name == key:
            found.append(name)
        for inner in structs(field.type) or {}:
            if inner == key:
                found.append(f"{name}.{inner}")
    chosen: list[str] = []
    others: list[str] = []
    for group, entries in schema.components.items():
        if group == "sources":
            continue
        path, many = group.replace("/", "."), group in schema.lists
        for name, info in entries.items():
            if key not in info.fields:
                continue
            node = at(root, path)
            inside = f"{path}.{name}" if many else path
            if many:
                node = at(root, inside)
            here = isinstance(node, Mapping) and node.get("name") == name
            place = f"{inside}.{key}"
            # Where another part is chosen the place alone would be what was typed already.
            taken = not here and not many and isinstance(node, Mapping)
            (chosen if here else others).append(f"{place} of {group}={name}" if taken else place)
    of_stages = [f"stages.{stage}.{path}" for path in _in_a_stage(key) for stage in _stages(root)]
    return list(dict.fromkeys([*found, *chosen, *of_stages])) or list(dict.fromkeys(others))


def _in_a_stage(key: str) -> list[str]:
    """Return the paths within a stage at which a key of this name overlays nothing."""
    inner = {name: structs(field.type) or {} for name, field in stage_fields().items()}
    return [name for name in inner if name == key] + [
        f"{name}.{key}" for name, keys in inner.items() if key in keys
    ]


def _shared(owner: str, place: str) -> int:
    """Return how many keys a place begins with as the owner does, in a stage or not."""
    keys = owner.split(".")
    inside = keys[2:] if keys[0] == "stages" else keys
    alike = takewhile(lambda pair: pair[0] == pair[1], zip(inside, place.split("."), strict=False))
    return sum(1 for _ in alike)


def _stages(root: Mapping[str, object]) -> list[str]:
    """Return the stages of a root by name; of a stage's own config there are none."""
    stages = root.get("stages")
    return [str(name) for name in stages] if isinstance(stages, Mapping) else []


def unknown_key(
    key: str, owner: str, known: Iterable[str], schema: Schema, root: Mapping[str, object]
) -> str:
    """Return what is wrong with a key that its node does not have, and where it would belong."""
    names = list(known)
    message = f"{owner} has no key '{shortened(key)}'."
    if key in _REPLACED:
        return f"{message} {_REPLACED[key]}"
    near = nearest(key, names)
    places = sorted(places_of(key, schema, root), key=lambda place: -_shared(owner, place))
    if near and places and owner == WHOLE:
        return f"{message} It belongs to {listed(places, 3)}; or did you mean {near[0]}?"
    if near:
        return f"{message} Did you mean {near[0]}?"
    if places:
        return f"{message} It belongs to {listed(places, 3)}."
    begins = [name for name in names if len(key) > 2 and name.startswith(key)]
    if begins:
        return f"{message} Did you mean {begins[0]}?"
    everywhere = {
        name
        for entries in schema.components.values()
        for info in entries.values()
        for name in info.fields
    }
    far = nearest(key, everywhere)
    if far and (places := places_of(far[0], schema, root)):
        return f"{message} Did you mean {listed(places, 2)}?"
    return f"{message} It has {listed(names)}." if names else message
