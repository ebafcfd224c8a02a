"""What the three commands share: one place where errors become messages and exit codes."""

from __future__ import annotations

import argparse
import contextlib
import os
import signal
import sys
import threading
import traceback
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from types import FrameType
from typing import TYPE_CHECKING

from etude.cli.warned import show_warnings
from etude.errors import ConfigError, EtudeError, Interrupted
from etude.printable import printable
from etude.unexpected import sentence

if TYPE_CHECKING:
    from _typeshed import SupportsWrite

#: The code of a command that was interrupted.
INTERRUPTED = Interrupted.exit_code


def guarded(command: Callable[[list[str]], int], argv: Sequence[str] | None = None) -> int:
    """Run a command and return its exit code; whatever stops it is said in a sentence.

    ``ETUDE_TRACEBACK=1`` or ``--traceback`` shows where an error comes from.
    """
    words = list(sys.argv[1:] if argv is None else argv)
    show_warnings()
    try:
        with _interrupted_by(signal.SIGTERM, signal.SIGHUP):
            return command(words)
    except EtudeError as error:
        _trace(words)
        tell(_text(error), error=True)
        return error.exit_code
    except KeyboardInterrupt:
        tell("interrupted", error=True)
        return INTERRUPTED
    except SystemExit as error:
        if _by_argparse(error):  # it has said what is wrong, or helped
            return error.code if isinstance(error.code, int) else 0
        _trace(words)
        tell(sentence(error), error=True)
        return 1
    except BrokenPipeError:
        # The reader (`| head`) has seen enough; Python would complain again at its own exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except Exception as error:  # the last guard: no command ends without a word
        _trace(words)
        tell(sentence(error), error=True)
        return 1


def tell(text: str = "", *, error: bool = False, end: str = "\n") -> None:
    """Print for a person; nothing in the text steers the terminal. ``error`` goes to stderr.

    Standard error is left alone where it is closed or full: the exit code still speaks.
    """
    if not error:
        print(printable(text), end=end, flush=True)
        return
    with contextlib.suppress(OSError, ValueError, AttributeError):
        print(printable(text), end=end, file=sys.stderr, flush=True)


class Parser(argparse.ArgumentParser):
    """Reads the words of a command; nothing that it says of them steers the terminal."""

    def _print_message(self, message: str, file: SupportsWrite[str] | None = None) -> None:
        super()._print_message(printable(message), file)


def _trace(words: Sequence[str]) -> None:
    if os.environ.get("ETUDE_TRACEBACK") == "1" or "--traceback" in words:
        tell(traceback.format_exc(), error=True, end="")


def _by_argparse(error: SystemExit) -> bool:
    frames = traceback.extract_tb(error.__traceback__)
    return bool(frames) and frames[-1].filename == argparse.__file__


@contextmanager
def _interrupted_by(*numbers: signal.Signals) -> Iterator[None]:
    """Have signals raise Interrupted during the block, where nothing else hears or ignores them."""

    def heard(number: int, frame: FrameType | None) -> None:
        raise Interrupted(f"interrupted ({signal.Signals(number).name})")

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    plain = [each for each in numbers if signal.getsignal(each) is signal.SIG_DFL]
    for each in plain:
        signal.signal(each, heard)
    try:
        yield
    finally:
        for each in plain:
            signal.signal(each, signal.SIG_DFL)


def _text(error: EtudeError) -> str:
    if isinstance(error, ConfigError):
        from etude.config.report import report

        return report(error.faults)
    return str(error) or type(error).__name__


def warn(messages: Iterable[str]) -> None:
    """Print warnings, each on a line of its own, where results do not go."""
    for message in messages:
        tell(f"warning: {message}", error=True)


def let_threads_sleep() -> None:
    """Have OpenMP's threads soon sleep while they wait; it is read when torch is loaded.

    On a machine with other work, threads that spin at every barrier take the time of those that are
    waited for, and steps take several times as long; on an idle one there is no difference.
    """
    if "OMP_WAIT_POLICY" not in os.environ:
        os.environ.setdefault("GOMP_SPINCOUNT", "1000")
