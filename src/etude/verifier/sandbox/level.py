"""Which level of isolation a machine gives, found by running a program at it."""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass

from etude.errors import VerifierError
from etude.verifier.sandbox.interpreter import Interpreter
from etude.verifier.sandbox.job import LEVELS
from etude.verifier.sandbox.limits import Limits

#: The weakest level that is chosen without being asked for.
_LEAST = "seccomp"

_PROBE = "print(sum(map(int, input().split())))"


@dataclass(frozen=True)
class Found:
    """The level in force, and why those above it are not."""

    level: str
    missing: dict[str, str]

    @property
    def words(self) -> str:
        """Return the level in a line, with what is not there."""
        lacks = "; ".join(f"no {name}: {why}" for name, why in self.missing.items())
        return self.level + (f" ({lacks})" if lacks else "")


def find(asked: str, limits: Limits, python: Interpreter) -> Found:
    """Return the strongest level of this machine, at least the one asked for.

    ``auto`` asks for seccomp at least. Raises VerifierError where the machine has only less.
    """
    least = _LEAST if asked == "auto" else asked
    missing: dict[str, str] = {}
    for level in reversed(LEVELS):
        why = absent(level, limits, python)
        if why is None:
            return Found(level, missing)
        missing[level] = why
        if level == least:
            break
    told = "; ".join(f"{name}: {why}" for name, why in missing.items())
    weaker = LEVELS[: LEVELS.index(least)]
    instead = f" A weaker level has to be typed: verifier.sandbox={weaker[-1]}" if weaker else ""
    raise VerifierError(
        f"verifier.sandbox={asked}: programs cannot be run apart on this machine. {told}.{instead}"
    )


def absent(level: str, limits: Limits, python: Interpreter) -> str | None:
    """Return why a level is not to be had here, None where a program ran at it."""
    from etude.verifier.sandbox.process import Launcher

    if not sys.platform.startswith("linux"):
        return f"this is {sys.platform}, not Linux"
    launcher = Launcher(level, limits, python)
    try:
        job = {"hook": level == "limits", "source": _PROBE}
        with launcher.start("printing", job) as process:
            process.write("stdin", b"1 2\n")
            process.finish("stdin")
            ending = process.wait(time.monotonic() + 60)
            if process.output == b"3\n":
                return None
            said = ending.errors.decode("utf-8", "replace").strip().splitlines()
            return said[-1] if said else f"a program ended with {ending}"
    except VerifierError as error:
        return str(error)
    finally:
        launcher.close()
