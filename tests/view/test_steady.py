"""A view that breaks, wherever it breaks, leaves a run that is seen to its end."""

import io
import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from test_view import NOTHING, RL, Clock, a_graph, play

from etude.errors import StageError
from etude.events import EVENTS
from etude.execute.hearing import Hearing
from etude.execute.outcomes import Outcome
from etude.view.plain import PlainView
from etude.view.steady import SteadyView

FAILURE = StageError("stage rl (3c1e9be2), attempt 1, failed at step 5: row 7 is empty")


def broken(event, tmp_path):
    """Tell a run that fails to a view of which one event is broken; return what was shown."""
    out = io.StringIO()
    clock = Clock()
    view = PlainView(out, NOTHING, clock=clock)

    def fail(*args, **named):
        raise KeyError("hidden")

    setattr(view, event, fail)
    play(SteadyView(view), tmp_path, clock=clock, fail=FAILURE)
    return out.getvalue()


@pytest.mark.parametrize("event", [event for event in EVENTS if event != "checkpoint_written"])
def test_whatever_breaks_in_a_view_the_run_stays_visible(event, tmp_path):
    text = broken(event, tmp_path)
    if event not in ("stage_skipped", "evaluation_failed", "warned"):  # not in this run
        assert text.count(f"the view failed at '{event}' (KeyError: 'hidden')") == 1
    assert "row 7 is empty" in text  # the failure with its reason
    assert str(tmp_path / "runs") in text  # the summary
    assert " sft" in text and "Traceback" not in text


def test_what_the_view_cannot_say_at_all_goes_to_the_other_stream(tmp_path, capfd):
    view = PlainView(io.StringIO(), NOTHING)

    def full(line, style):
        raise OSError(28, "No space left on device")

    view.put = full
    play(SteadyView(view), tmp_path, fail=FAILURE)
    said = capfd.readouterr().err
    assert "No space left on device" in said and "row 7 is empty" in said


def test_a_live_view_is_taken_down_for_plain_lines(tmp_path):
    plain = PlainView(io.StringIO(), NOTHING)
    live = PlainView(io.StringIO(), NOTHING)
    down = []
    live.take_down = lambda: down.append(True)
    live.step_shown = lambda node, step: 1 // 0
    steady = SteadyView(live, lambda broken: (plain.follow(broken), plain)[1])
    play(steady, tmp_path)
    assert down == [True] and steady.view is plain
    text = plain._out.getvalue()
    assert "ZeroDivisionError" in text and "sft 30/30" in text and "pass@1 before" in text
    assert "0.05 [0.02, 0.08]" in text  # what the first view recorded


def test_a_line_that_cannot_be_drawn_gives_way_to_plain_lines(tmp_path):
    program = f"""
        import sys; sys.path.insert(0, {str(Path(__file__).parent)!r})
        import test_view, etude.view.live as live
        from etude.view.observers import _plain
        from etude.view.steady import SteadyView
        live.lines = lambda *args: 1 // 0
        view = live.LiveView(sys.stdout, test_view.NOTHING)
        from pathlib import Path
        test_view.play(SteadyView(view, _plain), Path({str(tmp_path)!r}))
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program)],
        env={**os.environ, "TERM": "xterm", "FORCE_COLOR": "1", "COLUMNS": "100"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "the view failed at 'step_done' (ZeroDivisionError" in done.stdout
    assert "rl 20/20" in done.stdout and "0.69" in done.stdout
    assert "Traceback" not in done.stdout + done.stderr


def test_the_end_of_a_run_is_told_from_what_the_run_knows(tmp_path):
    out = io.StringIO()
    view = PlainView(out, NOTHING)
    view.run_finished = lambda run: 1 // 0
    graph = a_graph(tmp_path)
    graph.outcomes[RL] = Outcome("failed", "stages/rl-b", error="row 7 is empty")
    SteadyView(view).run_finished(graph)
    assert " rl  failed  stages/rl-b  row 7 is empty\n" in out.getvalue()


class Breaks:
    """An observer that is broken."""

    def __getattr__(self, event):
        def fail(*args, **named):
            raise RuntimeError("no such\x1b[2J place")

        return fail


class Hears:
    """An observer that notes what it is warned of."""

    def __init__(self):
        self.said = []

    def warned(self, message):
        self.said.append(message)

    def __getattr__(self, event):
        return lambda *args, **named: None


def test_a_tracker_that_breaks_is_told_of_and_dropped(tmp_path):
    hears = Hears()
    play(Hearing([Breaks(), hears]), tmp_path, fail=FAILURE)
    (message,) = hears.said
    assert "Breaks failed at 'run_started' (RuntimeError: no such" in message


def test_where_no_observer_is_left_failures_are_printed(tmp_path, capsys):
    play(Hearing([Breaks()]), tmp_path, fail=FAILURE)
    said = capsys.readouterr().err
    assert "rl FAILED: stage rl (3c1e9be2), attempt 1, failed at step 5: row 7 is empty" in said
    assert "no such\\x1b[2J place" in said and "\x1b" not in said
