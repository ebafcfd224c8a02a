"""Rows that an earlier stage writes: whether they have the columns that a source maps."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from etude.config import needs
from etude.config.needs import EVERY_ROW
from etude.config.spelling import listed
from etude.plan.nodes import stages_of
from etude.plan.references import Input
from etude.schema import NeedInfo, Schema

#: What an objective provides for each column that it adds to the rows it writes.
KIND = "written:"

_PLACE = ".from_stage"


def lacking(
    given: Mapping[str, Input],
    config: Mapping[str, Any],
    writers: Mapping[str, Mapping[str, Any]],
    schema: Schema,
) -> Iterator[tuple[str, str]]:
    """Yield (path, message) for each column that a source maps and a stage does not write.

    ``given`` are the inputs of a stage, ``writers`` the configs of the run's stages by name. A
    stage whose objective does not say what it writes is not judged.
    """
    for place, value in given.items():
        if not place.endswith(_PLACE):
            continue
        path = place.removesuffix(_PLACE)
        source = (config.get("sources") or {}).get(path.partition(".")[2]) or {}
        for stage in stages_of({place: value}):
            written = columns_written(writers[stage], schema)
            if written is not None:
                yield from _unmapped(path, source.get("columns") or {}, stage, written, schema)


def columns_written(config: Mapping[str, Any], schema: Schema) -> set[str] | None:
    """Return the columns of the rows that a stage writes, None where that is not known."""
    own = {
        column
        for used in needs.walk(config.get("objective"), "objective", "objective", schema)
        for column in _own(needs.active(used.info.provides, used))
    }
    carried = needs.columns_of(config, schema, held_out=False).values()
    if not own or any("*" in columns for columns in carried):
        return None
    return own.union(EVERY_ROW, *carried)


def _unmapped(
    path: str, columns: Mapping[str, Any], stage: str, written: set[str], schema: Schema
) -> Iterator[tuple[str, str]]:
    """Yield one fault for all columns that a source maps and a stage does not write."""
    lacking = {
        wanted: names
        for wanted, names in columns.items()
        if isinstance(names, str) and not _heads(names) & written
    }
    if lacking:
        lines = [
            f"is {stage}, which writes no column {listed(lacking.values())}; it writes"
            f" {listed(sorted(written), 16)}."
        ]
        lines += [
            f"  stages.{stage}.objective={name}  writes {'it' if len(lacking) == 1 else 'them'}"
            for name, info in schema.components.get("objective", {}).items()
            if all(_heads(names) & _own(info.provides) for names in lacking.values())
        ]
        lines.append(f"  {path}.columns.{next(iter(lacking))}=NAME  if it stands elsewhere in them")
        yield f"{path}{_PLACE}", "\n".join(lines)


def _heads(names: str) -> set[str]:
    """Return the columns of a file that would do for ``a|b.c``."""
    return {names, *(name.partition(".")[0] for name in names.split("|"))}


def _own(needs_of: Iterable[NeedInfo]) -> set[str]:
    return {need.what.removeprefix(KIND) for need in needs_of if need.what.startswith(KIND)}
