"""Who watches a run: the view that fits where its output goes, and the tracker of its config."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Mapping
from typing import Any, TextIO

from etude import schema
from etude.events import Observer
from etude.view.base import TextView


def make_observers(root: Mapping[str, Any]) -> list[Observer]:
    """Return the observers of a run with this root config: one view, and its tracker if any.

    The view is live where standard output is a terminal, and plain lines elsewhere (also when TERM
    is ``dumb``). Raises ConfigError when the tracker cannot be built.
    """
    return with_tracker(make_view(sys.stdout, root), root)


def with_tracker(view: TextView, root: Mapping[str, Any]) -> list[Observer]:
    """Return a view and the tracker that a root config asks for. Raises ConfigError."""
    tracker = root.get("tracker")
    if not tracker:
        return [view]
    from etude.build import build

    observer = build(dict(tracker), "tracker").observer(root, view.warned)
    if observer is None:
        return [view]
    view.elsewhere = observer.where
    return [view, observer]


def make_view(out: TextIO, root: Mapping[str, Any]) -> TextView:
    """Return the view that fits ``out``."""
    if isinstance(out, io.TextIOWrapper):
        # A terminal that cannot show "→" must not end a training run.
        out.reconfigure(errors="replace")
    loaded = schema.load()
    if out.isatty() and os.environ.get("TERM") != "dumb":
        from etude.view.live import LiveView

        return LiveView(out, loaded)
    from etude.view.plain import PlainView

    every = (root.get("execution") or {}).get("log_every") or 1
    return PlainView(out, loaded, every=int(every))
