"""Signals outside of steps: a lost terminal saves, and long work that hears nothing is ended."""

from __future__ import annotations

import fcntl
import json
import os
import signal
import subprocess
import sys
import termios
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from etude.errors import Interrupted
from etude.execute.stop import Stop
from warm_commands import Place, small

_DEAF = """
import hashlib, os, signal, sys, threading, time
from etude.execute import stop as module
module.PATIENCE = 0.5
stop = module.Stop()
number = int(sys.argv[1])
with stop.listening(), stop.at_any_cost():
    threading.Timer(0.2, os.kill, (os.getpid(), number)).start()
    hashlib.pbkdf2_hmac("sha256", b"x", b"y", 400_000_000)  # compiled: minutes, and no signal heard
"""

_SWALLOWING = """
import os, signal, sys, threading, time
from etude.execute import stop as module
module.PATIENCE = 0.5
stop = module.Stop()
with stop.listening(), stop.at_any_cost():
    threading.Timer(0.2, os.kill, (os.getpid(), int(sys.argv[1]))).start()
    while True:
        try:
            time.sleep(60)
        except Exception:
            pass  # as libraries do that fetch again whatever they met
"""


@pytest.fixture(autouse=True)
def heard() -> Iterator[None]:
    """Have signals heard here and in what is started, also where the suite runs under nohup."""
    usual = {signal.SIGHUP: signal.SIG_DFL, signal.SIGINT: signal.default_int_handler}
    before = {number: signal.signal(number, handler) for number, handler in usual.items()}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.parametrize("code", [_DEAF, _SWALLOWING], ids=["compiled", "swallowing"])
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_work_that_hears_no_signal_is_ended_where_nothing_is_lost(code: str, number: int) -> None:
    done = subprocess.run(
        [sys.executable, "-c", code, str(int(number))],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == Interrupted.exit_code, done.stderr
    name = "Ctrl-C" if number == signal.SIGINT else signal.Signals(number).name
    assert done.stderr.startswith(f"interrupted ({name}): what was at work did not stop")


def test_a_block_that_ends_in_time_raises_as_ever() -> None:
    stop = Stop()
    with stop.listening(), pytest.raises(Interrupted), stop.at_any_cost():
        os.kill(os.getpid(), signal.SIGHUP)
        time.sleep(2)
    assert stop.signal == "SIGHUP"


def test_under_nohup_a_lost_terminal_is_nothing() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        stop = Stop()
        with stop.listening():
            os.kill(os.getpid(), signal.SIGHUP)
            time.sleep(0.6)
            assert not stop.requested
    finally:
        signal.signal(signal.SIGHUP, before)


@pytest.mark.slow
def test_a_closed_terminal_leaves_a_checkpoint(tmp_path: Path) -> None:
    ours, theirs = os.openpty()
    words = small("training.prompts", "training.rollouts", "rollout", "evaluation")
    command = [
        str(Path(sys.executable).with_name("train")),
        *("recipe=sft", *words, "training.steps=100000", "evaluation=null", "tracker=none"),
    ]

    def take_terminal() -> None:
        fcntl.ioctl(theirs, termios.TIOCSCTTY, 0)

    process = subprocess.Popen(
        command,
        cwd=tmp_path,
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
        preexec_fn=take_terminal,
        env={**os.environ, "TERM": "xterm"},
    )
    os.close(theirs)
    os.set_blocking(ours, False)
    end = time.monotonic() + 120
    while (
        not list(tmp_path.glob("outputs/stages/*/attempts/1/metrics.jsonl"))
        or not next(tmp_path.glob("outputs/stages/*/attempts/1/metrics.jsonl")).stat().st_size
    ):
        assert time.monotonic() < end and process.poll() is None
        try:
            os.read(ours, 1 << 16)  # a terminal whose window nobody empties stops who writes
        except BlockingIOError:
            time.sleep(0.05)
    os.close(ours)
    assert process.wait(60) == Interrupted.exit_code
    (result,) = tmp_path.glob("outputs/runs/*/result.json")
    assert json.loads(result.read_text())["state"] == "interrupted"
    assert list(tmp_path.glob("outputs/stages/*/attempts/1/checkpoints/step_*/manifest.json"))


@pytest.mark.slow
def test_a_row_of_a_million_characters_hinders_no_signal(here: Place) -> None:
    data = here.folder / "data"
    data.mkdir()
    for name in ("train", "test"):
        row = {"question": f"{name} {'ab ' * 333_333}", "answer": f"{'b c ' * 250_000}#### 2"}
        (data / f"{name}.jsonl").write_text(f"{json.dumps(row)}\n")
    words = small("training.prompts", "training.rollouts", "rollout", "evaluation", "sources")
    started = here.start(
        "train",
        *("recipe=sft", "data_mix=gsm8k_worked", f"sources.gsm8k.path={data}"),
        *("sources.gsm8k.splits.train=train.jsonl", "sources.gsm8k.splits.test=test.jsonl"),
        *(*words, "training.rows_per_step=8", "training.steps=500", "training.too_long=cut"),
        *("evaluation=null", "tracker=none"),
    )
    end = time.monotonic() + 60
    while not list(here.folder.glob("outputs/stages/*/attempts/1/log")):
        assert time.monotonic() < end
        time.sleep(0.02)
    sent = time.monotonic()
    started.send(signal.SIGTERM)
    ended = started.end()
    assert ended.code == Interrupted.exit_code, ended.said
    assert time.monotonic() - sent < 30 and "interrupted (SIGTERM)" in ended.out + ended.err
