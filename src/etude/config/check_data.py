"""The rows of a stage: whether they are there and have the columns that its parts need."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from etude.config import environment, needs
from etude.config.installation import Installation
from etude.config.needs import Used
from etude.config.read_yaml import read_yaml
from etude.config.spelling import did_you_mean, listed
from etude.schema import Schema

#: The key of a mix for the prompts of held-out rows, where they are other than those trained on.
HELD_OUT = "held_out_template"


def column(
    used: Used,
    what: str,
    why: str,
    config: Mapping[str, Any],
    has: Mapping[str, str],
    installation: Installation,
    trained: set[str] | None,
) -> Iterator[tuple[str, str]]:
    """Yield a fault where rows lack a column that a component reads."""
    if what in has:
        return
    group = used.info.group.split("/")[0]
    # What a part of the mix reads are rows that are trained on, also where an evaluation reads it.
    of_evaluation = bool(config.get("evaluation")) and (
        group == "evaluation"
        or (group != "data_mix" and group in needs.evaluation_reads(config, installation.schema))
    )
    of_training = group != "evaluation" and (
        trained is None or group in trained or group == "objective"
    )
    name = what.partition(":")[2]
    for held_out in [
        flag for flag, wanted in ((False, of_training), (True, of_evaluation)) if wanted
    ]:
        columns = needs.columns_of(config, installation.schema, held_out)
        lacking = [key for key, known in columns.items() if not {name, "*"} & known]
        if lacking:
            known = columns[lacking[0]]
            yield "", _column_message(used, name, why, lacking[0], known, installation)
            return


def _column_message(
    used: Used, column: str, why: str, source: str, known: set[str], installation: Installation
) -> str:
    reason = f" {why}" if why else ""
    lines = [
        f"{used.title} needs the data column '{column}'{reason};"
        f" the source {source} provides: {listed(sorted(known))}."
    ]
    lines += [f"  data_mix={choice}  has it" for choice in mixes_with(column, installation)[:3]]
    lines.append(f"  {_renamed(source, column)}")
    return "\n".join(lines)


def _renamed(source: str, column: str) -> str:
    return f"sources.{source}.columns.{column}=NAME  if the rows have it under another name"


def mixes_with(column: str, installation: Installation) -> list[str]:
    """Return the choices of data_mix whose sources all have a column."""
    found = []
    for name, choice in installation.choices("data_mix").items():
        parts = read_yaml(choice.path).get("train")
        if not isinstance(parts, Mapping) or not parts:
            continue
        keys = [str((part or {}).get("source") or key) for key, part in parts.items()]
        if all(_source_has(key, column, installation) for key in keys):
            found.append(name)
    return found


def _source_has(key: str, column: str, installation: Installation) -> bool:
    choice = installation.choice("sources", key)
    if choice is None:
        return False
    node = {"name": installation.component_name("sources", key), **read_yaml(choice.path)}
    return any(
        {column, "*"} & needs.source_columns(used)
        for used in needs.walk(node, "sources", key, installation.schema)
    )


def side(
    config: Mapping[str, Any], installation: Installation, held_out: bool
) -> Iterator[tuple[str, str]]:
    """Yield what is wrong with the rows that are trained on, or held out."""
    mix = config.get("data_mix") or {}
    key = "held_out" if held_out else "train"
    parts = mix.get(key)
    if not isinstance(parts, Mapping):
        return  # a mix of another component says itself what it reads
    sources = config.get("sources") or {}
    path = f"data_mix.{key}"
    if not parts:
        what = "measured on" if held_out else "trained on"
        off = " (or evaluation=null)" if held_out else ""
        others = [f"data_mix={name}" for name in _mixes_of(key, installation)]
        near = f" {listed(others, 5)} have some." if others else ""
        yield path, f"names no rows to be {what}: {path}.SOURCE.split=…{off}.{near}"
    yield from _environments(parts, path, config.get("environments"))
    split = "test" if held_out else "train"
    yield from _parts(parts, path, split, sources, installation)
    if not held_out:
        shown = mix.get("demonstrations") or {}
        yield from _parts(shown, "data_mix.demonstrations", split, sources, installation)


def _environments(
    parts: Mapping[str, Any], path: str, there: Mapping[str, Any] | None
) -> Iterator[tuple[str, str]]:
    """Yield a fault for each part whose rows are to be played with what there is not."""
    known = [name for name in there or {} if name != "name"]
    for name, part in parts.items():
        asked = part.get("environment") if isinstance(part, Mapping) else None
        if asked is not None and asked not in known:
            near = (
                did_you_mean(str(asked), known) or f" environments has {listed(known) or 'none'}."
            )
            typed = f"environments.{asked}.environment=CHOICE gives it."
            yield (
                f"{path}.{name}.environment",
                f"names '{asked}', which there is not; {typed}{near}",
            )


def _parts(
    parts: Mapping[str, Any],
    path: str,
    default_split: str,
    sources: Mapping[str, Any],
    installation: Installation,
) -> Iterator[tuple[str, str]]:
    """Yield what is wrong with the rows that parts of a mix ask their sources for."""
    for name, part in parts.items():
        asked = part if isinstance(part, Mapping) else {}
        source = str(asked.get("source") or name)
        if source not in sources:
            near = did_you_mean(source, sources) or f" There are {listed(sources)}."
            yield f"{path}.{name}", f"there is no source '{source}'.{near}"
        elif isinstance(sources[source], Mapping):
            yield from _place(source, sources[source])
            place = f"sources.{source}"
            for used in needs.walk(sources[source], "sources", place, installation.schema):
                yield from _split(used, str(asked.get("split") or default_split), f"{path}.{name}")
                yield from _levels(used, asked.get("levels"), f"{path}.{name}")


def _place(key: str, source: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield a fault where a source says nowhere to read, or somewhere that is not there."""
    places = [name for name in ("path", "hub", "from_stage") if name in source]
    if "path" not in places:
        return
    if all(source[name] is None for name in places):
        typed = ", ".join(f"sources.{key}.{name}=…" for name in places)
        yield f"sources.{key}", f"says nowhere to read: {typed}"
    path = environment.read(source["path"])
    local = isinstance(path, str) and source.get("from_stage") is None
    if local and not Path(path).expanduser().exists():
        yield f"sources.{key}.path", f"there is no file or folder '{source['path']}'."


def _split(source: Used, split: str, path: str) -> Iterator[tuple[str, str]]:
    """Yield a fault where a source that says which splits it has lacks one."""
    there = _provided(source, "split")
    if there and split not in there:
        near = did_you_mean(split, there)
        yield f"{path}.split", f"is '{split}'; {source.path} has {listed(there)}.{near}"


def _levels(source: Used, asked: Any, path: str) -> Iterator[tuple[str, str]]:
    """Yield a fault where rows of levels are asked for that a source cannot have."""
    if not isinstance(asked, list) or not asked:
        return
    if not {"level", "*"} & needs.source_columns(source):
        message = (
            f"asks for levels, and the rows of {source.path} have no column 'level':"
            f" {path}.levels=null, or {source.path}.columns.level=NAME"
        )
        yield f"{path}.levels", message
        return
    there = _provided(source, "level")
    missing = [level for level in asked if str(level) not in there]
    if there and missing:
        message = (
            f"asks for {listed(map(str, missing))}; {source.path} has the levels {listed(there)}."
        )
        yield f"{path}.levels", message


def _provided(source: Used, kind: str) -> list[str]:
    """Return the names that a source says it provides of a kind; empty where it says none."""
    found = [need.what.partition(":") for need in needs.active(source.info.provides, source)]
    return [name for own, _, name in found if own == kind]


def _mixes_of(key: str, installation: Installation) -> list[str]:
    return [
        name
        for name, choice in installation.choices("data_mix").items()
        if read_yaml(choice.path).get(key)
    ]


def templates(config: Mapping[str, Any], schema: Schema) -> Iterator[tuple[str, str]]:
    """Yield a fault for each column that a template names and a source lacks."""
    own = (config.get("data_mix") or {}).get(HELD_OUT) is not None
    for key, named in needs.template_columns(config).items():
        trained = {} if key == HELD_OUT else needs.columns_of(config, schema, held_out=False)
        measured = {}
        if key == HELD_OUT or (config.get("evaluation") and not own):
            measured = needs.columns_of(config, schema, held_out=True)
        for source, known in {**measured, **trained}.items():
            for column in sorted(named - known) if "*" not in known else []:
                lines = [
                    f"names the column '{column}'; the source {source} provides:"
                    f" {listed(sorted(known))}.",
                    f"  {_renamed(source, column)}",
                ]
                if key != HELD_OUT and source not in trained:
                    other = f"data_mix.{HELD_OUT}='\"{{prompt}}\"'"
                    lines.append(f"  {other}  if what is held out is measured without it")
                yield f"data_mix.{key}", "\n".join(lines)
