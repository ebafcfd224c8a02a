"""Options of functions by path that have the name of a column, and so would hide it.

``def score(response, answer=None)`` has an option ``answer``: whatever stands in the rows' column
of that name, the function is given the option's value.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any

from etude.by_path.kinds import KINDS
from etude.config import needs
from etude.config.needs import Used
from etude.schema import ComponentInfo, Schema


def hidden(
    used: Used, config: Mapping[str, Any], schema: Schema, *, trained: bool = True
) -> Iterator[tuple[str, str]]:
    """Yield a fault for each option of a function that is a column of the rows it is given.

    ``trained`` says whether rows are trained on; an evaluation reads those that are held out.
    """
    if not _takes_columns(used.info):
        return
    columns = needs.columns_of(config, schema, held_out=False) if trained else {}
    measured = needs.evaluation_reads(config, schema) if config.get("evaluation") else ()
    if used.info.group in measured:
        columns = {**needs.columns_of(config, schema, held_out=True), **columns}
    yield from among(used.info, used.path, set().union(*columns.values()))


def among(info: ComponentInfo, path: str, columns: Collection[str]) -> Iterator[tuple[str, str]]:
    """Yield a fault for each option of the function that is one of ``columns``."""
    if not _takes_columns(info) or info.place is None:
        return
    for option in info.place.options:
        if option in columns:
            yield (
                f"{path}.{option}",
                f"is an option of {info.place.attribute} and a column of the rows, which it would"
                f" hide ({info.place.original.name}:{info.place.line}): take away its default to be"
                " given the column, or call the option otherwise.",
            )


def _takes_columns(info: ComponentInfo) -> bool:
    kind = KINDS.get(info.group)
    return info.place is not None and info.place.is_function and bool(kind and kind.columns)
