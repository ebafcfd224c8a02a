"""A tracker that fails or hangs costs no training, and is told of."""

from __future__ import annotations

import threading
import time
from typing import Any

import pytest

from etude.events import EVENTS
from etude.tracker import apart
from etude.tracker.apart import Apart


class Tracked:
    """A tracker that notes what it hears, and does something else at one event."""

    def __init__(self, event: str = "", act: Any = None) -> None:
        self.heard: list[str] = []
        for name in EVENTS:
            setattr(self, name, self._hears(name, act if name == event else None))

    def _hears(self, name: str, act: Any) -> Any:
        def hear(*args: Any, **named: Any) -> None:
            self.heard.append(name)
            if act is not None:
                act()

        return hear

    def where(self) -> str:
        return "board    over there"


def told(tracked: Tracked, warned: list[str]) -> Apart:
    following = Apart("board", lambda say: tracked, warned.append)  # type: ignore[arg-type, return-value]
    following.run_started(None)
    following.stage_started(None, attempt=1, first_step=0, folder="")
    for step in range(3):
        following.step_done(None, step, {}, {})
    following.run_finished(None)
    return following


def test_events_are_told_in_their_order_in_another_thread() -> None:
    threads: list[str] = []
    tracked = Tracked("step_done", lambda: threads.append(threading.current_thread().name))
    following = told(tracked, [])
    assert tracked.heard == [
        "run_started", "stage_started", "step_done", "step_done", "step_done", "run_finished",
    ]  # fmt: skip
    assert set(threads) == {"board"}
    assert following.where() == "board    over there"


@pytest.mark.parametrize("error", [RuntimeError("the disk is full"), SystemExit(1)])
def test_a_tracker_that_fails_is_said_once_and_again_at_the_end(error: BaseException) -> None:
    def fail() -> None:
        raise error

    warned: list[str] = []
    tracked = Tracked("step_done", fail)
    following = told(tracked, warned)
    assert tracked.heard == ["run_started", "stage_started", "step_done"]
    (warning,) = warned
    assert "board" in warning and "step_done" in warning and "metrics.jsonl" in warning
    place, missing = following.where().splitlines()
    assert place == "board    over there"
    assert "failed at 'step_done'" in missing and "stage folders" in missing


def test_a_tracker_that_hangs_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(apart, "WAITS", {"stage_started": 0.05, "run_finished": 0.2})
    for_ever = threading.Event()
    warned: list[str] = []
    began = time.monotonic()
    tracked = Tracked("stage_started", for_ever.wait)
    following = told(tracked, warned)
    assert time.monotonic() - began < 5.0
    for_ever.set()
    (warning,) = warned
    assert "did not end within" in warning
    assert "did not end within" in following.where()


def test_one_that_hangs_for_long_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(apart, "WAITS", {"run_finished": 30.0})
    monkeypatch.setattr(apart, "HANGS", 0.05)
    for_ever = threading.Event()
    warned: list[str] = []
    following = Apart(
        "board",
        lambda say: Tracked("step_done", for_ever.wait),  # type: ignore[arg-type, return-value]
        warned.append,
    )
    following.step_done(None, 0, {}, {})
    time.sleep(0.2)
    following.step_done(None, 1, {}, {})
    following.run_finished(None)
    for_ever.set()
    assert len(warned) == 1 and "at one event" in warned[0]


def test_what_a_tracker_says_is_said_by_the_thread_that_tells(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    tracked = Tracked()
    said: list[str] = []

    def make(say: Any) -> Any:
        tracked.stage_started = lambda *_, **__: say("logged to files")  # type: ignore[attr-defined]
        return tracked

    def warn(message: str) -> None:
        said.append(f"{threading.current_thread() is threading.main_thread()} {message}")

    following = Apart("board", make, warn)
    following.stage_started(None, attempt=1, first_step=0, folder="")
    assert said == ["True logged to files"]


def test_a_tracker_that_follows_nothing_is_left_out() -> None:
    from etude.tracker.follow import follow

    assert follow({"tracker": {"name": "none"}}, pytest.fail) == []
    assert follow({}, pytest.fail) == []
