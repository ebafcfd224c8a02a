"""What went wrong: failures with their tracebacks, attempts that went on, damaged files."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from etude.plan import layout, records
from etude.recorded.stage import Stage
from etude.report.gather import Gathered

#: Characters of a traceback: its end says what happened.
_LONGEST = 6_000


@dataclass(frozen=True)
class Failure:
    """An attempt or an evaluation that failed; ``over`` where a later attempt finished."""

    what: str
    error: str
    traceback: str
    over: bool = False


@dataclass(frozen=True)
class Slow:
    """A step in which judging took long; seconds a row."""

    stage: str
    step: int
    middle: float
    most: float


def failures(gathered: Gathered) -> list[Failure]:
    """Return every failure that left a record, those that were overcome last."""
    found = [each for stage in gathered.stages() for each in _of_stage(stage)]
    found += _of_evaluations(gathered)
    return sorted(found, key=lambda each: each.over)


def _of_stage(stage: Stage) -> Iterator[Failure]:
    for attempt in layout.attempts(stage.folder):
        failed = layout.read_json(attempt / layout.FAILED, records.FAILED)
        if failed is None:
            continue
        step = failed.get("step")
        at = f" at step {step}" if step is not None else ""
        what = f"{stage.name} ({stage.fingerprint[:8]}), attempt {attempt.name}{at}"
        yield _failure(what, failed, stage.done is not None)


def _of_evaluations(gathered: Gathered) -> Iterator[Failure]:
    wanted = {
        key
        for entrant in gathered.entrants
        for stage in entrant.member.stages
        for key in (*stage.before.values(), *stage.after.values())
    } | {key for run in gathered.runs for key in run.measured}
    parent = gathered.outputs.folder / layout.EVALUATIONS
    for folder in sorted(parent.glob("[!.]*")) if parent.is_dir() else ():
        name, _, key = folder.name.rpartition("-")
        if key not in wanted or layout.finished(folder) is not None:
            continue
        failed = layout.read_json(folder / layout.FAILED, records.FAILED)
        if failed is not None:
            yield _failure(f"the evaluation of {name} ({key[:8]})", failed, False)


def _failure(what: str, failed: dict[str, Any], over: bool) -> Failure:
    text = str(failed.get("traceback") or "")
    cut = "…\n" if len(text) > _LONGEST else ""
    return Failure(what, str(failed["error"]), cut + text[-_LONGEST:], over)


def said(gathered: Gathered) -> list[str]:
    """Return what the runs say went wrong, and which of their files cannot be read."""
    listed: dict[str, None] = {}
    for run in gathered.runs:
        listed |= dict.fromkeys((*run.problems, *run.damage))
    listed |= dict.fromkeys(gathered.outputs.problems)
    return list(listed)


def resumed(gathered: Gathered) -> list[str]:
    """Return the stages that took more than one attempt, in words."""
    found = []
    for stage in gathered.stages():
        told = [_began(attempt) for attempt in layout.attempts(stage.folder)]
        if len(told) > 1:
            found.append(f"{stage.name} ({stage.fingerprint[:8]}): {'; '.join(told)}")
    return found


def _began(attempt: Path) -> str:
    about = layout.read_json(attempt / "attempt.json", records.ATTEMPT) or {}
    step, host = about.get("first_step") or 0, about.get("host")
    return f"attempt {attempt.name} from step {step}" + (f" on {host}" if host else "")


def slow_steps(gathered: Gathered, most: int = 5) -> list[Slow]:
    """Return the steps whose slowest row took longest to judge, slowest first."""
    found = [
        Slow(
            f"{stage.name} ({stage.fingerprint[:8]})",
            int(line["step"]),
            float(line.get("seconds/verifier_p50") or 0.0),
            float(line["seconds/verifier_max"]),
        )
        for stage in gathered.stages()
        for line in stage.timing
        if isinstance(line.get("seconds/verifier_max"), (int, float))
    ]
    return sorted(found, key=lambda each: -each.most)[:most]
