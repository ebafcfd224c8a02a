"""The view of one job: lines like a log's, without the start and the end of the whole run."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any

from etude import schema
from etude.view.plain import PlainView


class JobView(PlainView):
    """Tells one unit of a run; what the run is and how it ended stands elsewhere."""

    title = ""

    @classmethod
    def on_stdout(cls, root: Mapping[str, Any], title: str) -> JobView:
        """Return a view that writes to standard output and begins with ``title``."""
        every = (root.get("execution") or {}).get("log_every") or 1
        view = cls(sys.stdout, schema.load(), every=int(every))
        view.title = title
        return view

    def run_started(self, run: Any) -> None:
        """Write the title alone."""
        if self.title:
            self.say(self.title)

    def run_finished(self, run: Any) -> None:
        """Write how what failed goes on; the run's own end is told by ``etude status``."""
        for known in self.record.stages.values():
            if known.state == "failed" and known.problem:
                self.say(f" {known.problem}")
