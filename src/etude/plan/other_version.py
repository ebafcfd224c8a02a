"""Stages that another version of etude wrote: named where they would be looked for, left alone."""

from __future__ import annotations

from collections.abc import Iterator

from etude.plan.nodes import Graph

_MOST = 3


def notices(graph: Graph) -> Iterator[str]:
    """Yield what to say of the stages of a graph that lie there in another version's form."""
    for name, folders in graph.older.items():
        more = f" and {len(folders) - _MOST} more" if len(folders) > _MOST else ""
        listed = ", ".join(folder.name for folder in folders[:_MOST])
        left = "was made by another version of etude, is left as it is and not used"
        if len(folders) > 1:
            left = "were made by another version of etude, are left as they are and not used"
        yield f"{listed}{more} {left}: {name} is trained anew"
