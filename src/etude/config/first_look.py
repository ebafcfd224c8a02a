"""A first look at rows: what would stop a stage at its first ones is told before any trains.

Files are looked at, not read: whole where they are small, the beginning and some rows from all over
them otherwise. Rows that a source generates are made only where a limit is so low that they may be
too long, or where a verifier judges answers that are no plain numbers: then those of one part of
the mix, held out where that is judged, since the answers of a source are all of a kind. Neither the
hub nor rows that a stage has still to write are touched.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from etude.by_path.reference import is_reference
from etude.errors import ConfigError, DataError
from etude.schema import Schema
from etude.sources.interface import LOOKED_AT, NUMBERS

if TYPE_CHECKING:
    from etude.config.lengths_look import Lengths
    from etude.data_mix.form import Form
    from etude.data_mix.mix import Mix
    from etude.data_mix.share import OpenShare, Share

#: What a source provides that generates rows: the characters that the texts of one can come to,
#: without those of its own config and of the mix's templates.
CHARACTERS = "characters:"

#: Seconds that the rows of one part may take, and how many of them are looked at.
SECONDS, ROWS = 1.0, 500

#: The share of answers that a verifier may fail to read; those rows are left out, and counted.
UNREADABLE = 0.1

#: Parts of a mix and the split each reads where it names none.
_SIDES = {"train": "train", "held_out": "test", "demonstrations": "train"}


def faults(
    config: Mapping[str, Any],
    schema: Schema,
    *,
    sides: tuple[str, ...],
    judged: tuple[str, ...] = (),
    lengths: Mapping[str, Lengths | None] | None = None,
) -> Iterator[tuple[str, str]]:
    """Yield what is wrong with the rows of a data mix, as (path, message).

    ``sides`` are the parts of the mix that are read (train, held_out, demonstrations) and
    ``judged`` those whose answers a verifier judges. ``lengths`` says of a side which rows are
    surely too long; of rows that are held out only some are measured on, so all have to be.
    """
    mix, sources = config.get("data_mix") or {}, config.get("sources") or {}
    for side in sides:
        parts = mix.get(side)
        for name, part in parts.items() if isinstance(parts, Mapping) else ():
            key = str((part or {}).get("source") or name)
            source = sources.get(key)
            if isinstance(part, Mapping) and isinstance(source, Mapping):
                yield from _generated(f"data_mix.{side}.{name}", part, key, source)
                of_side = (lengths or {}).get(side)
                shown = _is_local(source) or _asks_for_a_look(source, schema)
                shown = shown or (side in judged[-1:] and _may_be_unread(source, schema))
                if shown or _may_be_long(source, mix, schema, of_side):
                    looked_at = _looked_at(config, schema, side, name, key, side in judged, of_side)
                    yield from looked_at


def _is_local(source: Mapping[str, Any]) -> bool:
    if is_reference(source.get("name")):
        return True
    return isinstance(source.get("path"), str) and source.get("from_stage") is None


def _asks_for_a_look(source: Mapping[str, Any], schema: Schema) -> bool:
    info = schema.find("sources", str(source.get("name")))
    return info is not None and any(need.what == LOOKED_AT for need in info.provides)


def _may_be_unread(source: Mapping[str, Any], schema: Schema) -> bool:
    """Tell whether a source generates answers that not every verifier reads."""
    info = schema.find("sources", str(source.get("name")))
    provided = {need.what for need in info.provides} if info is not None else set()
    return any(what.startswith(CHARACTERS) for what in provided) and NUMBERS not in provided


def _may_be_long(
    source: Mapping[str, Any], mix: Mapping[str, Any], schema: Schema, lengths: Lengths | None
) -> bool:
    """Tell whether a limit is below what rows that a source generates can come to."""
    info = schema.find("sources", str(source.get("name")))
    needs = [need.what for need in info.provides] if info is not None and lengths else []
    most = [int(what.removeprefix(CHARACTERS)) for what in needs if what.startswith(CHARACTERS)]
    texts = [text for node in (source, mix) for text in node.values() if isinstance(text, str)]
    return lengths is not None and any(
        lengths.limit.tokens < n + sum(map(len, texts)) for n in most
    )


def _generated(
    path: str, part: Mapping[str, Any], key: str, source: Mapping[str, Any]
) -> Iterator[tuple[str, str]]:
    """Yield a fault for levels beyond those that a source generates (its own key ``levels``)."""
    highest, wanted = source.get("levels"), part.get("levels")
    if type(highest) is int and isinstance(wanted, list):
        beyond = [level for level in wanted if not 1 <= level <= highest]
        if beyond:
            yield f"{path}.levels", f"names level {beyond[0]}; sources.{key} has 1 to {highest}."


def _looked_at(
    config: Mapping[str, Any],
    schema: Schema,
    side: str,
    name: str,
    key: str,
    judged: bool,
    lengths: Lengths | None,
) -> Iterator[tuple[str, str]]:
    from etude.build import build
    from etude.data_mix.mix import Mix

    try:
        mix = build(config["data_mix"], "data_mix", schema)
        source = build(config["sources"][key], "sources", schema)
        verifier = build(config["verifier"], "verifier", schema) if judged else None
    except ConfigError:
        return  # what does not fit is told where configs are judged
    if not isinstance(mix, Mix) or not hasattr(source, "first_look"):
        return
    part: Share = getattr(mix, side)[name]
    form = mix.measured if side == "held_out" else mix.form
    try:
        found = source.first_look(part.split or _SIDES[side], key)
        if found is None:
            return
        rows, whole = found
        looked_at = opened(name, part, key, rows, some=not whole)
        if part.levels is not None:
            yield from _levels(f"data_mix.{side}.{name}.levels", part, key, looked_at, whole=whole)
    except DataError as error:
        yield "", str(error)
        return
    own = config["sources"][key].get("name")
    made_by = own if is_reference(own) else None
    if not _takes_all(part, mix, whole=whole):
        lengths = None
    path = f"data_mix.{side}.{name}"
    yield from _rows(
        path,
        looked_at,
        form,
        verifier,
        lengths,
        made_by,
        every=bool(side == "held_out" or mix.filter),
        mapped=config["sources"][key].get("columns"),
    )


def _takes_all(part: Share, mix: Mix, *, whole: bool) -> bool:
    """Tell whether the mix takes no other rows of the source than those looked at.

    It takes each of these too, unless it has filters.
    """
    return whole or (part.levels is None and part.limit is None and not mix.filter)


def opened(name: str, part: Share, key: str, rows: Any, *, some: bool = True) -> OpenShare:
    """Return rows that were looked at as an open part of a mix.

    Where they are all rows of the source (not ``some``), they are those that the part takes.
    """
    import numpy as np

    from etude.data_mix.share import OpenShare, taken

    positions = np.arange(len(rows)) if some else taken(part, rows)
    return OpenShare(name, key, part.split or "", rows, positions, None)


def _levels(
    path: str, part: Share, key: str, opened: OpenShare, *, whole: bool
) -> Iterator[tuple[str, str]]:
    there = set(opened.rows.column("level"))
    beyond = [level for level in part.levels or () if level not in there]
    if whole and beyond:
        known = ", ".join(str(level) for level in sorted(there - {None})) or "none"
        yield path, f"names level {beyond[0]}; the rows of sources.{key} have {known}."


def _rows(
    path: str,
    part: OpenShare,
    form: Form,
    verifier: Any,
    lengths: Lengths | None,
    made_by: str | None,
    *,
    every: bool,
    mapped: Mapping[str, Any] | None,
) -> Iterator[tuple[str, str]]:
    """Yield the first row that cannot be used, be judged or fit, with the number of its kind.

    With ``every`` rows that do not fit are told of only where none does. ``mapped`` says what
    columns are called in the source's file; None where it makes its rows.
    """
    end = time.monotonic() + SECONDS
    seen, broken, unread = 0, 0, 0
    long: dict[str, int] = {}
    first_broken = first_unread = gold = ""
    count = len(part)
    step = max(1, count // (ROWS // 2))
    for position in dict.fromkeys([*range(min(count, ROWS // 2)), *range(0, count, step)]):
        if seen and time.monotonic() > end:
            break
        seen += 1
        try:
            example = form.example(part, position)
        except DataError as error:
            broken += 1
            first_broken = first_broken or str(error)
            continue
        if lengths is not None and (tokens := lengths.exceeded(example)) is not None:
            long[example.id] = tokens
        problem = verifier.unreadable(example.columns) if verifier is not None else None
        if problem == "is null" and mapped is None and made_by is None:
            continue  # the source makes no such column, which is told where needs are judged
        if problem is not None:
            unread += 1
            if problem == "is null" or not first_unread:
                first_unread = f"row {example.id}: {problem}"
                gold = verifier.reader_of(example.columns).gold
    if broken:
        yield "", first_broken + (f"\n  ({broken} of {seen} rows looked at)" if seen > 1 else "")
    if long and lengths is not None and (not every or len(long) == seen):
        yield "", lengths.limit.said(path, long, seen)
    if unread and (first_unread.endswith("is null") or unread >= UNREADABLE * seen):
        what = "right answer" if gold == "answer" else f"column {gold}"
        yield (
            "",
            f"{path}: the verifier {verifier.declaration.name} cannot read the {what} of"
            f" {unread} of {seen} rows looked at ({first_unread}).\n"
            f"  verifier={verifier.instead}  if another one reads them\n"
            f"{_ways(part.source, gold, mapped, made_by)}",
        )


def _ways(key: str, gold: str, mapped: Mapping[str, Any] | None, made_by: str | None) -> str:
    """Return how rows of a source get what is right; ``made_by`` is the function that makes them.

    ``gold`` is the column that says it and ``mapped`` what columns are called in the source's file.
    """
    if made_by is not None:
        return f"  {made_by} makes these rows: each wants its {gold}"
    if mapped is None:
        return f"  etude list verifier  shows them all; the rows are made by sources.{key}"
    column = mapped.get(gold)
    now = f" than in the column {column}" if column else ""
    return (
        f"  sources.{key}.columns.{gold}=NAME  if it stands elsewhere{now}\n"
        f'  sources.{key}.filter=\'[{{column: {gold}, op: "!=", value: ""}}]\''
        f"  leaves out rows without one"
    )
