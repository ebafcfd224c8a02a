"""One W&B run: what it is given, numbered so that a resumed run takes each place once.

W&B's own counter (``_step``) is the order of places (:class:`etude.tracker.interface.Place`), and
every metric is drawn over the logged field ``step``, which counts as metrics.jsonl does. A server
that has a run already tells how far its counter is, and takes nothing before that.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from etude.printable import printable_line
from etude.tracker.evaluations import ENDS
from etude.tracker.interface import Ended, Place
from etude.tracker.wandb_files import mark_sent
from etude.unexpected import cause_of

if TYPE_CHECKING:
    import wandb as wandb_types

#: Bytes of the largest page that is sent along.
LARGEST_PAGE = 16 * 2**20


class WandbRecord:
    """Writes into an open W&B run; ``beside`` are older files of the same run, whole in this one.

    ``beside`` are marked as sent once this run is closed, so that ``wandb sync`` sends the newest,
    which has what they have, and none of them in its place.
    """

    def __init__(
        self, run: wandb_types.Run, warn: Callable[[str], None], beside: Sequence[Path] = ()
    ) -> None:
        self._run = run
        self._warn = warn
        self._beside = beside
        self._known = int(run.starting_step)
        self._hidden: set[str] = set()
        run.define_metric("step", hidden=True)
        run.define_metric("*", step_metric="step")

    def log(self, place: Place, values: Mapping[str, Any], at: float | None = None) -> None:
        """Log numbers at a place that the server does not have yet."""
        order = place.order
        if order + 1 == self._known and not place.trained:
            order += 1  # an evaluation that was cut short: its row is there, and the step's is not
        if order < self._known:
            return
        self._hide_ends(values)
        row = {**values, "step": place.step}
        if at is not None:
            row["_timestamp"] = at
        # What a step gave is sent at once; what stands before it waits for its row to be whole.
        self._run.log(row, step=order, commit=place.trained)

    def table(
        self, name: str, place: Place, columns: Sequence[str], rows: Sequence[Sequence[Any]]
    ) -> None:
        """Log a table; one that W&B does not take is said, and costs none of the numbers."""
        import wandb

        table = wandb.Table(columns=list(columns), data=[list(row) for row in rows])
        try:  # online, W&B asks its server whether it may
            self.log(place, {name: table})
        except Exception as error:
            self._warn(f"W&B took no table {name}: {printable_line(cause_of(error))}")

    def facts(self, values: Mapping[str, Any]) -> None:
        """Put values into the run's summary."""
        self._run.summary.update(dict(values))

    def page(self, name: str, path: Path) -> None:
        """Log an HTML file where it is there and not too large."""
        import wandb

        if path.is_file() and path.stat().st_size <= LARGEST_PAGE:
            self._run.log({name: wandb.Html(str(path), inject=False)})

    def close(self, ended: Ended) -> None:
        """Finish the run; one that goes on later is marked as preempted."""
        if ended == "interrupted":
            self._run.mark_preempting()
        self._run.finish(exit_code=0 if ended == "done" else 1)
        mark_sent(self._beside)

    def _hide_ends(self, values: Mapping[str, Any]) -> None:
        """Give the ends of an interval no panels of their own."""
        for key in values:
            if key.endswith(ENDS) and key not in self._hidden:
                self._hidden.add(key)
                self._run.define_metric(key, step_metric="step", hidden=True)
