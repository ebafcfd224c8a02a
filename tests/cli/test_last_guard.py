"""No command ends with a code and no word, whatever stops it."""

import sys
import warnings
from pathlib import Path

import pytest

from etude.cli import warned
from etude.cli.frame import guarded, tell
from etude.errors import DataError


def stopped_by(error):
    def command(words):
        raise error

    return guarded(command, ["x"])


@pytest.mark.parametrize(
    ("error", "says"),
    [
        (ZeroDivisionError(), "ZeroDivisionError"),
        (KeyError("heads"), "KeyError: 'heads'"),
        (MemoryError(), "could get no more memory"),
        (RecursionError("maximum recursion depth exceeded"), "RecursionError"),
        (OSError(28, "No space left on device"), "No space left"),
        (UnicodeDecodeError("utf-8", b"\xff", 0, 1, "invalid start byte"), "UnicodeDecodeError"),
        (SystemExit(1), "sys.exit(1)"),
        (SystemExit(0), "sys.exit(0)"),
        (SystemExit("no more of this"), "no more of this"),
        (StopIteration(), "StopIteration"),
    ],
)
def test_an_error_that_nobody_foresaw_is_a_sentence_and_code_1(error, says, capsys):
    assert stopped_by(error) == 1
    said = capsys.readouterr().err
    assert says in said and "ETUDE_TRACEBACK=1" in said and "test_last_guard.py" in said
    assert "Traceback" not in said


def test_the_traceback_is_shown_where_asked_for(monkeypatch, capsys):
    monkeypatch.setenv("ETUDE_TRACEBACK", "1")
    assert stopped_by(ValueError("x")) == 1
    assert "Traceback (most recent call last)" in capsys.readouterr().err


def test_notes_of_an_error_say_where_its_log_is(capsys):
    error = ValueError("x")
    error.add_note("the traceback is in outputs/runs/a/traceback")
    stopped_by(error)
    assert "outputs/runs/a/traceback" in capsys.readouterr().err


def test_what_argparse_ends_keeps_its_code():
    import argparse

    assert guarded(lambda words: argparse.ArgumentParser().parse_args(["--what"]), []) == 2
    assert guarded(lambda words: argparse.ArgumentParser().parse_args(["-h"]), []) == 0


def test_nothing_in_an_error_steers_the_terminal(capsys):
    stopped_by(DataError("row '\x1b[2J\x9b1m\u202eab' of f\udcff.jsonl"))
    said = capsys.readouterr().err
    assert said == "row '\\x1b[2J\\x9b1m\\u202eab' of f\\udcff.jsonl\n"


def test_a_closed_stream_does_not_hide_the_code(monkeypatch):
    stream = Path("/dev/null").open("w")  # noqa: SIM115
    stream.close()
    monkeypatch.setattr(sys, "stderr", stream)
    assert stopped_by(DataError("nobody reads this")) == 1
    tell("nor this", error=True)


def test_a_warning_of_a_library_is_one_line_said_once(capsys, monkeypatch):
    monkeypatch.setattr(warned, "_said", set())
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        warned.show_warnings()
        for _ in range(2):
            warnings.warn("this is\nslow\x07", UserWarning, stacklevel=1)
        warnings.warn("will change", FutureWarning, stacklevel=1)
    said = capsys.readouterr().err
    assert said == "warning: this is slow\\x07 (said by test_last_guard.py)\n"
