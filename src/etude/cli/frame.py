"""What the three commands share: one place where errors become messages and exit codes."""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Callable, Iterable, Sequence

from etude.errors import ConfigError, EtudeError, Interrupted

#: The code of a command that was interrupted.
INTERRUPTED = Interrupted.exit_code


def guarded(command: Callable[[list[str]], int], argv: Sequence[str] | None = None) -> int:
    """Run a command and return its exit code; errors of etude are shown without a traceback.

    ``ETUDE_TRACEBACK=1`` or ``--traceback`` shows where an error comes from.
    """
    words = list(sys.argv[1:] if argv is None else argv)
    try:
        return command(words)
    except EtudeError as error:
        if os.environ.get("ETUDE_TRACEBACK") == "1" or "--traceback" in words:
            traceback.print_exc()
        print(_text(error), file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:
        # The reader (`| head`) has seen enough; Python would complain again at its own exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0


def _text(error: EtudeError) -> str:
    if isinstance(error, ConfigError):
        from etude.config.report import report

        return report(error.faults)
    return str(error) or type(error).__name__


def warn(messages: Iterable[str]) -> None:
    """Print warnings, each on a line of its own, where results do not go."""
    for message in messages:
        print(f"warning: {message}", file=sys.stderr)


def let_threads_sleep() -> None:
    """Have OpenMP's threads soon sleep while they wait; it is read when torch is loaded.

    On a machine with other work, threads that spin at every barrier take the time of those that are
    waited for, and steps take several times as long; on an idle one there is no difference.
    """
    if "OMP_WAIT_POLICY" not in os.environ:
        os.environ.setdefault("GOMP_SPINCOUNT", "1000")
