"""One stage: take its lease, resume, step, checkpoint, publish."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

from etude.config.evaluations import measuring
from etude.config.handed_on import chosen_by
from etude.config.settings import Execution
from etude.distributed.together import by_main, cut_short_by
from etude.distributed.world import current, leave
from etude.errors import EtudeError, Interrupted, StageError
from etude.events import Observer
from etude.execute import checkpoint, failures, ranks
from etude.execute.attempt import Attempt, evaluations_of, head_of, named_as, recorded
from etude.execute.checkpoint import Checkpoint
from etude.execute.hearing import Hearing
from etude.execute.lock import JobState, Lease, locked
from etude.execute.publish import publish
from etude.execute.ranks import Begun, FollowedAttempt, FollowedLease, Leading
from etude.execute.stage_failure import Failure
from etude.execute.stage_folder import best_of, find_best, find_start, move_aside, prepare
from etude.execute.stop import Stop
from etude.execute.watchdog import Watchdog, progress
from etude.learner.context import Folders
from etude.learner.interface import Learner, StepResult
from etude.plan import layout
from etude.plan.nodes import StageNode

#: Builds the learner of a resolved stage config: ``etude.learner.make.make_learner``.
LearnerFactory = Callable[[dict[str, Any], Any], Learner]


def execution_of(config: Mapping[str, Any]) -> Execution:
    """Return the execution settings of a resolved config, with defaults for what is absent."""
    given = config.get("execution") or {}
    names = {each.name for each in fields(Execution)}
    return Execution(**{key: value for key, value in given.items() if key in names})


def run_stage(
    node: StageNode,
    given: Callable[[], Folders],
    *,
    outputs: Path,
    observers: Observer,
    stop: Stop,
    make_learner: LearnerFactory | None = None,
    job_state: JobState | None = None,
) -> tuple[dict[str, Any], bool]:
    """Train a stage unless it is finished; return its DONE.json and whether it was trained now.

    ``given`` is asked for the stage's inputs only when it trains, ``job_state`` for the SLURM job
    of another process that trains it. Raises StageError when it fails, Interrupted when ``stop``
    was requested (a checkpoint is written first), Fenced when another attempt took the stage over.

    All ranks of the current world call it together. The first one decides and writes; ``observers``
    are told by it alone.
    """
    if not current().is_main:
        done, begun = ranks.followed(stop)
        if done is not None:
            return done, False
        rank = _Training(node, begun.folder.parent.parent, Hearing([]), stop, FollowedLease())
        return rank.run(given, make_learner, lambda: rank.follow(begun)), True

    def waiting(holder: str) -> None:
        observers.warned(
            f"{node.name} ({node.fingerprint[:8]}) is being trained by {holder}; waiting"
        )

    training = None
    try:
        with (
            ranks.leading(stop) as lead,
            locked(
                outputs, node.fingerprint, waiting=waiting, check=lead.check, job_state=job_state
            ) as lease,
        ):
            folder = layout.stage_folder(outputs, node.name, node.fingerprint)
            if node.fresh:
                lease.check()
                move_aside(folder)
            done = layout.finished(folder, observers.warned)
            if done is not None:
                observers.stage_skipped(node, seconds_saved=float(done.get("seconds", 0.0)))
                lead.decide((done, None))
                return done, False
            training = _Training(node, folder, observers, stop, lease)
            return training.run(given, make_learner, lambda: training.begin(lead)), True
    except EtudeError as error:
        if training is None or not training.begun:
            observers.stage_failed(node, step=None, error=error)
        raise


class _Training:
    """An attempt at a stage whose lease is held.

    Whatever other attempts could see is written after ``lease.check``: a process that was taken for
    dead and goes on ends there by Fenced, having written to its own attempt's folder alone.
    """

    def __init__(
        self,
        node: StageNode,
        folder: Path,
        observers: Observer,
        stop: Stop,
        lease: Lease | FollowedLease,
    ) -> None:
        self.node = node
        self.folder = folder
        self.observers = observers
        self.stop = stop
        self.lease = lease
        self.settings = execution_of(node.config)
        self.chosen = chosen_by(node.config)
        self.measuring = measuring(node.config)
        self.finished = 0
        self.saved: int | None = None
        self.begun = False
        self.attempt: Attempt | FollowedAttempt

    def begin(self, lead: Leading) -> Checkpoint | None:
        """Open the next attempt, and tell the other ranks of it; return what it goes on from."""
        with self.stop.at_any_cost():
            prepare(self.folder, self.node, self.lease.check)
            start = find_start(self.folder, self.node, self.observers.warned)
        origin = start.origin if start is not None else None
        attempt = Attempt(self.folder, self.node, origin, self.observers.warned)
        self.attempt = attempt
        resumed = start.checkpoint if start is not None else None
        lead.decide((None, Begun(attempt.number, attempt.folder, attempt.first_step, resumed)))
        return resumed

    def follow(self, begun: Begun) -> Checkpoint | None:
        """Join the attempt that the first rank opened; return what it goes on from."""
        self.attempt = FollowedAttempt(begun, self.node)
        return begun.resumed

    def run(
        self,
        given: Callable[[], Folders],
        factory: LearnerFactory | None,
        begin: Callable[[], Checkpoint | None],
    ) -> dict[str, Any]:
        """Do the attempt that ``begin`` opens, to DONE.json."""
        started = time.perf_counter()
        resumed = begin()
        self.begun = True
        try:
            self.observers.stage_started(
                self.node,
                attempt=self.attempt.number,
                first_step=self.attempt.first_step,
                folder=str(self.attempt.folder),
            )
            self.finished = self.attempt.first_step
            if self.lease.took_over:
                self.attempt.log(f"takes over from {self.lease.took_over}")
            with self._watchdog():
                done = self._attempt(given, factory, resumed)
        except (KeyboardInterrupt, Interrupted) as error:
            if not isinstance(error, Interrupted):
                leave("aborted")
            self.attempt.log(f"interrupted after {self.finished} steps")
            self.observers.stage_failed(self.node, step=self.finished, error=error)
            raise
        except (Exception, SystemExit) as error:  # no part of a stage may end the command
            leave(f"stage {self.node.name} failed")
            failure = self._failure().of(error)
            self.observers.stage_failed(self.node, step=self.finished, error=failure)
            if failure is error:
                raise
            raise failure from error
        finally:
            self.attempt.close()
        self.observers.stage_finished(
            self.node, seconds=time.perf_counter() - started, folder=str(self.folder)
        )
        return done

    def _failure(self) -> Failure:
        return Failure(self.node, self.folder, self.attempt, self.lease, self.finished)

    def _watchdog(self) -> Watchdog:
        rank = current().rank
        folder = self.attempt.folder
        return Watchdog(
            self.settings.hang_minutes,
            folder / (f"log.rank{rank}" if rank else "log"),
            failed=failures.of_rank(folder, rank) if rank else folder / layout.FAILED,
            about=lambda: self._failure().about(),
            check=self.lease.check,
        )

    def _attempt(
        self,
        given: Callable[[], Folders],
        factory: LearnerFactory | None,
        resumed: Checkpoint | None,
    ) -> dict[str, Any]:
        # Opening data and loading models takes long, and nothing would be lost.
        with cut_short_by(self.stop.at_any_cost):
            learner = self._learner(by_main(given), factory)
        try:
            if resumed is not None:
                with cut_short_by(self.stop.at_any_cost):
                    learner.load_state_dict(resumed.load())
                self.attempt.log(f"resumes from {resumed.path}")
                if resumed.path.is_relative_to(self.folder):
                    self.saved = resumed.step
                # An evaluation that was due at the checkpoint may have been cut off.
                self._evaluate_if_due(learner)
            ranks.check(self.stop)
            while self.finished < learner.steps and not learner.ended:
                self._step(learner, self.finished)
            self._say_why_over(learner)
            self._checkpoint(learner)
            self._stop_if_asked(learner)
            model_step = self._choose(learner)
            # The last checkpoint is written: the next attempt would publish again.
            with cut_short_by(self.stop.at_any_cost):
                return publish(
                    learner,
                    self.attempt,
                    self.folder,
                    steps=self.finished,
                    model_step=model_step,
                    check=self.lease.check,
                    report=self.observers.warned,
                )
        finally:
            learner.close()

    def _learner(self, given: Folders, factory: LearnerFactory | None) -> Learner:
        from etude.execute.determinism import settle
        from etude.learner.context import StageContext
        from etude.learner.make import make_learner

        settle(self.settings.threads)
        context = StageContext(
            seed=int(self.node.config.get("seed", 0)),
            folder=self.attempt.folder,
            inputs=given,
            measured=lambda name, done: by_main(lambda: recorded(self.folder, name, done)),
        )
        return (factory or make_learner)(self.node.config, context)

    def _step(self, learner: Learner, step: int) -> None:
        started = time.perf_counter()
        result = learner.step(step)
        timing = {"seconds": time.perf_counter() - started, **result.timing}
        self._record(step, result, timing)
        for name in ("loss", *(key for key in result.metrics if key.endswith("/loss"))):
            if not math.isfinite(result.metrics.get(name, 0.0)):
                raise StageError(
                    f"{name} is {result.metrics[name]}, and training on would spoil the model"
                )
        self.finished = step + 1
        for name, measured in result.evaluations.items():
            self._keep_evaluation(name, *measured)
        progress()
        if self.lease.lost:
            self.lease.check()
        self.observers.step_done(self.node, step, result.metrics, timing)
        every = self.settings.checkpoint_every
        judged = self.chosen is not None and (
            self.chosen.evaluation in result.evaluations or self._evaluation_due(learner)
        )
        if (every and self.finished % every == 0) or judged:
            self._checkpoint(learner)
        self._evaluate_if_due(learner)
        self._stop_if_asked(learner)

    def _say_why_over(self, learner: Learner) -> None:
        """Say that a component has ended the stage before its last step."""
        if learner.ended and self.finished < learner.steps:
            said = f"over after {self.finished}/{learner.steps} steps: {learner.ended}"
            self.attempt.log(said)
            self.observers.warned(f"{self.node.name} is {said}")

    def _record(self, step: int, result: StepResult, timing: Mapping[str, float]) -> None:
        head = {"step": step}
        self.attempt.write("samples", *({**head, **sample} for sample in result.samples))
        self.attempt.write("timing", {**head, **timing, "at": time.time()})
        self.attempt.write("metrics", {**head, **result.metrics})

    def _checkpoint(self, learner: Learner) -> None:
        if self.saved == self.finished:
            return
        self.attempt.sync()
        path = checkpoint.write(
            self.attempt.folder,
            self.finished,
            learner.state_dict(),
            minimum_free_gib=self.settings.minimum_free_gib,
            check=self.lease.check,
        )
        self.saved = self.finished
        progress()
        by_main(self._prune)
        self.observers.checkpoint_written(self.node, self.finished, str(path))

    def _prune(self) -> None:
        best = None if self.chosen is None else best_of(self.attempt.folder, self.chosen)
        also = () if best is None else (best,)
        checkpoint.prune(
            self.folder,
            keep=self.settings.keep,
            up_to=self.finished,
            also=also,
            check=self.lease.check,
        )

    def _stop_if_asked(self, learner: Learner) -> None:
        signal = ranks.agree(self.stop)
        if signal:
            self._checkpoint(learner)
            raise Interrupted(
                f"stage {self.node.name}: interrupted ({signal}) after step "
                f"{self.finished}; a checkpoint is written, the same command goes on from there"
            )

    def _evaluation_due(self, learner: Learner) -> bool:
        every = self.settings.evaluate_every
        if self.chosen is not None and (self.finished == learner.steps or learner.ended):
            return True
        return bool(every) and self.finished > 0 and self.finished % every == 0

    def _evaluate_if_due(self, learner: Learner) -> None:
        """Make the evaluations that are due and not recorded; a request to stop cuts them short."""
        if not self._evaluation_due(learner):
            return
        for name in by_main(self._unmeasured):
            try:
                ranks.check(self.stop)
                with cut_short_by(self.stop.at_once):
                    evaluation, samples = learner.evaluate(name)
                ranks.check(self.stop)
            except Interrupted:
                self._stop_if_asked(learner)
                raise
            progress()
            self._keep_evaluation(name, evaluation, samples)

    def _unmeasured(self) -> list[str]:
        """Return the evaluations that are not made of the model as it stands."""
        return [
            name
            for name in self.measuring
            if all(
                line["step"] != self.finished for line in evaluations_of(self.attempt.folder, name)
            )
        ]

    def _keep_evaluation(
        self, name: str, evaluation: dict[str, Any], samples: list[dict[str, Any]]
    ) -> None:
        head = head_of(name, self.finished)
        self.attempt.write("evaluation_samples", *({**head, **sample} for sample in samples))
        self.attempt.write("evaluations", {**head, **evaluation})
        self.observers.evaluated(self.node, self.finished, named_as(name, evaluation))

    def _choose(self, learner: Learner) -> int:
        """Bring the learner to the model that is handed on; return the steps it had."""
        if self.chosen is None:
            return self.finished if learner.hands_on is None else learner.hands_on.steps
        step, found = by_main(
            lambda: find_best(
                self.folder, self.node, self.attempt.folder, self.finished, self.observers.warned
            )
        )
        if found is not None:
            learner.load_state_dict(found.load())
        return step
