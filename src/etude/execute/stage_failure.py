"""Why an attempt at a stage ended: written for whoever goes on, and said to a person."""

from __future__ import annotations

import traceback
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from etude.distributed.world import current
from etude.errors import Fenced, StageError, StorageError
from etude.execute import atomic, failures
from etude.execute.attempt import Attempt
from etude.execute.lock import Lease
from etude.execute.ranks import FollowedAttempt, FollowedLease
from etude.plan import layout
from etude.plan.lines import shown
from etude.plan.nodes import StageNode


@dataclass(frozen=True)
class Failure:
    """The end of an attempt that had ``finished`` steps."""

    node: StageNode
    folder: Path
    attempt: Attempt | FollowedAttempt
    lease: Lease | FollowedLease
    finished: int

    def of(self, error: BaseException) -> Fenced | StageError:
        """Write why it failed; return the error a person sees."""
        return self._fenced(error) or self._failed(error)

    def _fenced(self, error: BaseException) -> Fenced | None:
        """Return the error of a process whose stage was taken over, whatever it stumbled over."""
        fenced = error if isinstance(error, Fenced) else None
        try:
            self.lease.check()
        except Fenced as found:
            fenced = fenced or found
        except StorageError:
            pass  # who holds the lease cannot be seen; the failure itself is what to report
        if fenced is not None:
            text = "" if fenced is error else "".join(traceback.format_exception(error))
            self.attempt.log(f"stops after {self.finished} steps: {fenced}\n{text}".rstrip())
        return fenced

    def _failed(self, error: BaseException) -> StageError:
        """Write the failure and the log; return what says both."""
        world = current()
        text = "".join(traceback.format_exception(error))
        self.attempt.log(f"failed at step {self.finished}\n{text}")
        full = ""
        try:
            if not world.is_alone:
                failures.note(self.attempt.folder, world, error, self.about())
            failed = failures.settled(self.attempt.folder, world, error) | self.about()
            if world.is_main:
                atomic.write_json(self.attempt.folder / layout.FAILED, failed)
        except StorageError as met:
            failed = failures.about(error) | self.about()
            full = f"\n(nor could {layout.FAILED} be written: {met})"
        resume = "from its beginning"
        if failed["resumes_from"]:
            resume = f"from step {failed['resumes_from']}"
        return StageError(
            f"stage {self.node.name} ({self.node.fingerprint[:8]}), attempt {self.attempt.number}, "
            f"failed at step {self.finished}: {failed['error']}\n"
            f"{failures.GOES_ON}{resume}; the log is {shown(self.attempt.folder / 'log')}{full}"
        )

    def about(self) -> dict[str, Any]:
        """Return how far the attempt is, and where another would go on."""
        kept = layout.checkpoints(self.folder)
        return {
            "stage": self.node.name,
            "step": self.finished,
            "resumes_from": kept[0].step if kept else 0,
        }
