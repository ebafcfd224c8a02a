"""What the launcher is asked to run, as it goes through its socket."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass

from etude.verifier.sandbox.interpreter import Interpreter
from etude.verifier.sandbox.limits import Limits

#: How much of the operating system stands between a program and everything else, weakest first.
LEVELS = ("limits", "seccomp", "namespaces")

#: The file descriptors that go with a job: the program's three, those over which a harness is asked
#: and answers, the guardian's report, and the leash, which ends the program when it closes.
DESCRIPTORS = ("stdin", "stdout", "stderr", "jobs", "results", "report", "leash")


@dataclass(frozen=True)
class Job:
    """One program to run: at which level, under which limits, by which Python."""

    level: str
    limits: Limits
    python: Interpreter
    bootstrap: str

    def encoded(self) -> bytes:
        """Return the job as one message."""
        return json.dumps(asdict(self)).encode()

    @classmethod
    def decoded(cls, message: bytes) -> Job:
        """Return the job of a message."""
        read = json.loads(message)
        python = Interpreter(read["python"]["path"], tuple(read["python"]["folders"]))
        return cls(read["level"], Limits(**read["limits"]), python, read["bootstrap"])
