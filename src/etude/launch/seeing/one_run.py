"""How one run stands: its record, its folders and, on a cluster, its jobs, put together."""

from __future__ import annotations

from pathlib import Path

from etude.launch.seeing.asked import Asked, read
from etude.launch.seeing.cluster import Cluster
from etude.launch.seeing.folders import Folders
from etude.launch.seeing.lines import RunState
from etude.launch.seeing.results import gates, results
from etude.launch.seeing.states import look
from etude.plan import layout, typed


def run_state(folder: Path, cluster: Cluster | None = None) -> RunState:
    """Return how a run stands. Raises StorageError where its folder cannot be read."""
    return state_of(read(folder), cluster or Cluster())


def state_of(asked: Asked, cluster: Cluster, folders: Folders | None = None) -> RunState:
    """Return how a run stands whose record was read; ``folders`` are those of its outputs."""
    known = folders or Folders(asked.outputs)
    seen = tuple(look(asked, cluster, known))
    return RunState(
        asked.name,
        str(asked.folder),
        seen,
        (*asked.damage, *(cluster.notes if asked.on_cluster else ())),
        typed.about("resume", asked.folder, asked.outputs) if asked.is_written else "",
        tuple(asked.result.get("problems") or ()),
        asked.is_over,
        (*results(asked, seen, known), *gates(asked)),
        goes_on=asked.version == layout.LAYOUT,
    )
