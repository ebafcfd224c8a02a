"""The report of a run at its end: what goes wrong with it is said, and the run stays as it is."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from etude.events import Tellers
from etude.plan.describe import shown
from etude.plan.nodes import Graph
from etude.unexpected import cause_of


class ReportAtEnd(Tellers):
    """Writes report.html into the run's folder when a run is over; ``say`` tells where it lies."""

    def __init__(self, say: Callable[[str], None], warned: Callable[[str], None]) -> None:
        self._write = partial(written, say=say, warned=warned)
        super().__init__()

    def teller(self, event: str) -> Callable[..., None]:
        """Return what writes it at the end of a run that has a folder; nothing else is heard."""

        def ended(graph: Graph) -> None:
            if graph.folder is not None:
                self._write(graph.folder)

        return ended if event == "run_finished" else _unheard


def _unheard(*args: Any, **named: Any) -> None:
    return


def wanted(graph: Graph) -> bool:
    """Tell whether a run asks for its report at its end."""
    execution = graph.runs[0].root.get("execution") if graph.runs else None
    return bool((execution or {}).get("report"))


def written(folder: Path, say: Callable[[str], None], warned: Callable[[str], None]) -> None:
    """Write a run's report and say where it lies, or warn of what kept it from being written.

    Never raises: an interruption ends the report and not the run, which is over.
    """
    try:
        from etude.recorded.outputs import Outputs
        from etude.report.writing import write

        outputs = Outputs(folder.parent.parent)
        say(f" report   {shown(write(outputs, [outputs.run_in(folder)]))}")
    except KeyboardInterrupt:
        warned("the report was not finished; etude report writes it")
    except Exception as error:  # a report's failure is no failure of the run
        warned(f"no report was written ({cause_of(error)}); etude report tries again")


def over(graph: Graph, say: Callable[[str], None], warned: Callable[[str], None]) -> None:
    """Write the report of a run of several processes, and tell its trackers of a sweep.

    Never raises.
    """
    if graph.folder is not None and wanted(graph):
        written(graph.folder, say, warned)
    if len(graph.runs) > 1:
        from etude.tracker.follow import tell_comparison  # which a single run has no use for

        tell_comparison(graph, warned)


def after_job(folder: Path, say: Callable[[str], None]) -> None:
    """Do what a run on a cluster ends with where the job that ends is its last one.

    No process sees such a run as a whole: each job looks whether every other has ended. Then the
    report is written, and the trackers of a sweep are told how its members compare. Never raises.
    """
    try:
        from etude.launch import registry
        from etude.launch import written as plan
        from etude.launch.units import units_of

        if not registry.jobs_of(folder):
            return  # who started these processes writes it
        content = plan.read_plain(folder)
        units = units_of(plan.graph_of(folder, content, ()))
        if registry.waiting(folder) or any(registry.ended(folder, unit) is None for unit in units):
            return
        graph = plan.graph_of(folder, content, {next(iter(units))})
    except Exception as error:  # a report's failure is no failure of the job
        say(f"warning: no report was written ({cause_of(error)})")
        return
    over(graph, say, lambda text: say(f"warning: {text}"))
