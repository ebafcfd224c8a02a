"""Who watches a run: the view that fits where its output goes, and the trackers of its config."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Mapping
from functools import partial
from typing import Any, TextIO

from etude import schema
from etude.events import Observer
from etude.report.at_end import ReportAtEnd
from etude.view.base import TextView
from etude.view.steady import SteadyView


def make_observers(root: Mapping[str, Any]) -> list[Observer]:
    """Return the observers of a run with this root config: a view, stages' logs, its trackers.

    The view is live where standard output is a terminal, and plain lines elsewhere (also when TERM
    is ``dumb``). Raises ConfigError when the tracker cannot be built.
    """
    from etude.view.log import AttemptLog

    view = make_view(sys.stdout, root)
    steady, *trackers = with_tracker(view, root)
    watching = [steady, AttemptLog(view.schema, every=_every(root))]
    if (root.get("execution") or {}).get("report"):
        # After the view, whose table must not wait for it.
        watching.append(ReportAtEnd(view.say, view.warned))
    return [*watching, *trackers]  # which are given the report, too


def with_tracker(view: TextView, root: Mapping[str, Any]) -> list[Observer]:
    """Return a view and the trackers that a root config asks for. Raises ConfigError.

    The view is made steady: whatever breaks in it, the run stays visible.
    """
    steady = SteadyView(view, _plain if view.owns_terminal else None)
    if not root.get("tracker"):
        return [steady]
    from etude.tracker.follow import follow, where

    trackers = follow(root, steady.warned)
    if trackers:
        view.elsewhere = partial(where, trackers)
    return [steady, *trackers]


def _plain(broken: TextView) -> TextView:
    """Return plain lines that go on with what a broken view has recorded."""
    from etude.view.plain import PlainView

    view = PlainView(sys.stdout, broken.schema, clock=broken.clock)
    view.follow(broken)
    return view


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

    return PlainView(out, loaded, every=_every(root))


def _every(root: Mapping[str, Any]) -> int:
    return int((root.get("execution") or {}).get("log_every") or 1)
