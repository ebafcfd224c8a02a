"""The one tree of errors a user of etude can meet, and the exit code each ends with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

#: The exit code of a process that its watchdog ended because nothing moved any more.
HUNG_EXIT = 74

#: The exit code of a job that could not write down how it ended (EX_CANTCREAT): on a full disk the
#: code alone gets out.
UNWRITTEN_EXIT = 73


@dataclass(frozen=True)
class Fault:
    """One thing to mend: what was typed, what is wrong with it and what to type instead."""

    typed: str
    message: str

    def __str__(self) -> str:
        return f"{self.typed}  {self.message}" if self.typed else self.message


class EtudeError(Exception):
    """The root of every error that etude raises on purpose; shown without a traceback."""

    exit_code: ClassVar[int] = 1


class ConfigError(EtudeError):
    """A command that cannot mean anything: every fault found, in one report (exit code 2)."""

    exit_code = 2

    def __init__(self, faults: list[Fault]) -> None:
        super().__init__(faults)
        self.faults = faults

    def __str__(self) -> str:
        return "\n".join(str(fault) for fault in self.faults)


class DataError(EtudeError):
    """Rows that cannot be read, mapped or used; names the file, the row and the column."""


class ModelError(EtudeError):
    """A model, tokenizer or chat template that cannot be loaded or used as asked."""


class StageError(EtudeError):
    """A stage that failed; names the stage, the step, the cause and how to resume."""


class MeetingError(StageError):
    """Processes of a stage that could not reach each other; names the place and how long."""

    exit_code = 69


class EngineError(StageError):
    """An engine that samples and cannot go on; names how it ended and its last words."""


class CheckpointError(EtudeError):
    """A checkpoint that is missing a part or does not match its recorded hashes."""


class StorageError(EtudeError):
    """A write that could not be completed (a full disk, a folder that is not writable)."""


class Fenced(EtudeError):
    """A process that was taken for dead and whose work another attempt took over; it stops."""

    exit_code = 76


class HubError(EtudeError):
    """The hub of models could not be asked, or refused; names what to type."""


class SlurmError(EtudeError):
    """A command of SLURM that failed or did not answer; names the command and what it printed."""


class VerifierError(EtudeError):
    """A verifier that cannot work at all; a row that fails is a verdict, never this."""


class Interrupted(EtudeError):
    """A run stopped by Ctrl-C, SIGTERM or SIGHUP after writing a checkpoint (exit code 130)."""

    exit_code = 130
