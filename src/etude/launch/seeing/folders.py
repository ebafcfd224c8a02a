"""What the stage folders tell, read fast: one listing of all, then a few files of each."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from statistics import fmean
from typing import Any

from etude.execute.failures import first_failure
from etude.launch.seeing.asked import Piece
from etude.plan import layout, records
from etude.plan.records import Report, parsed, unsaid

_TAIL = 1 << 16
_LAST_STEPS = 10

# Enough to hide the answers of a network file system, few enough not to hinder each other here.
_THREADS = 8
_CHUNK = 64


@dataclass(frozen=True)
class Found:
    """What lies there of a piece; everything but ``done`` is of its newest attempt.

    ``step`` counts its finished steps, ``steps`` all of the stage, ``kept`` those that another
    attempt would go on from. ``failure`` is the error of the rank that failed first, ``job`` and
    ``restart`` name the job that made the attempt, and ``problems`` are failed evaluations.
    """

    done: dict[str, Any] | None = None
    attempt: int = 0
    step: int = 0
    steps: int = 0
    kept: int = 0
    failure: dict[str, Any] | None = None
    job: str | None = None
    restart: int = 0
    host: str = ""
    folder: str = ""
    problems: tuple[str, ...] = ()


@dataclass(frozen=True)
class Pace:
    """How a running attempt goes: ``figure`` is ``reward 0.43`` or ``loss 1.20``.

    ``left`` are the seconds that the remaining steps take at the recent pace, ``age`` those since
    the last step, ``usual`` those of a step.
    """

    figure: str = ""
    left: float | None = None
    age: float | None = None
    usual: float = 0.0


@dataclass
class Folders:
    """The folders of stages, evaluations and leases under ``outputs``, listed once."""

    outputs: Path
    _names: dict[str, set[str]] = field(default_factory=dict)
    _by_fingerprint: dict[str, dict[str, str]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for kind in (layout.STAGES, layout.EVALUATIONS, layout.LOCKS):
            names = _listed(f"{self.outputs}/{kind}")
            self._names[kind] = names
            self._by_fingerprint[kind] = {
                name.rpartition("-")[2]: name for name in names if not name.startswith(".")
            }

    def was_leased(self, fingerprint: str) -> bool:
        """Tell whether any process has ever worked on a node."""
        return fingerprint in self._names[layout.LOCKS]

    def place(self, kind: str, name: str, fingerprint: str) -> str | None:
        """Return the folder of a node, or None when there is none; its name may be another's."""
        own = f"{name}-{fingerprint}"
        known = own if own in self._names[kind] else self._by_fingerprint[kind].get(fingerprint)
        return None if known is None else f"{self.outputs}/{kind}/{known}"

    def last_metrics(self, name: str, fingerprint: str) -> dict[str, float]:
        """Return the numbers of a finished stage's last step; none where it has none."""
        place = self.place(layout.STAGES, name, fingerprint)
        lines = _last_lines(Path(place, "metrics.jsonl"), 1) if place is not None else []
        last = lines[-1] if lines else {}
        return {key: value for key, value in last.items() if isinstance(value, (int, float))}

    def found(self, pieces: Iterable[Piece]) -> dict[str, Found]:
        """Return what lies there of each piece, by fingerprint."""
        listed = list(pieces)
        if len(listed) <= _CHUNK:
            return dict(self._some(listed))
        chunks = [listed[start : start + _CHUNK] for start in range(0, len(listed), _CHUNK)]
        with ThreadPoolExecutor(_THREADS) as pool:
            parts = pool.map(lambda chunk: list(self._some(chunk)), chunks)
            return dict(pair for part in parts for pair in part)

    def _some(self, pieces: Iterable[Piece]) -> Iterator[tuple[str, Found]]:
        for piece in pieces:
            yield piece.fingerprint, self._one(piece)

    def _one(self, piece: Piece) -> Found:
        kind = layout.STAGES if piece.is_stage else layout.EVALUATIONS
        place = self.place(kind, piece.name, piece.fingerprint)
        problems: list[str] = []
        try:
            problems += self._problems(piece, problems.append)
            found = Found() if place is None else _of_folder(Path(place), problems.append)
        except OSError as error:
            where = error.filename or place
            problems.append(f"{where} cannot be read: {error.strerror or error}")
            found = Found(folder=place or "")
        return replace(found, problems=tuple(dict.fromkeys(problems)))

    def _problems(self, piece: Piece, report: Report) -> Iterator[str]:
        for name, fingerprint in piece.evaluations:
            place = self.place(layout.EVALUATIONS, name, fingerprint)
            if place is None or layout.finished(Path(place), report) is not None:
                continue
            failed = layout.read_json(Path(place, layout.FAILED), records.FAILED, report)
            if failed is not None:
                yield f"the evaluation of {name} ({fingerprint[:8]}) failed: {failed['error']}"


def _listed(folder: str) -> set[str]:
    try:
        return set(os.listdir(folder))  # noqa: PTH208  (names are all that is needed)
    except OSError:
        return set()


def _of_folder(folder: Path, report: Report) -> Found:
    done = layout.finished(folder, report)
    if done is None:
        return _unfinished(folder, report)
    steps = done.get("steps") or 0
    return Found(done, done.get("attempts") or 1, steps, steps, steps, folder=str(folder))


def _unfinished(folder: Path, report: Report) -> Found:
    failed = layout.read_json(folder / layout.FAILED, records.FAILED, report)
    attempts = layout.attempts(folder)
    if not attempts:
        return Found(failure=failed, folder=str(folder))
    newest = attempts[-1]
    about = layout.read_json(newest / "attempt.json", records.ATTEMPT, report) or {}
    stage = layout.read_json(folder / layout.STAGE, records.STAGE, report) or {}
    owner = about.get("owner") or {}
    kept = layout.checkpoints(folder)
    failure = first_failure(newest, report)
    lines = _last_lines(newest / "metrics.jsonl", 1, report)
    step = int(lines[-1]["step"]) + 1 if lines else int(about.get("first_step") or 0)
    if failure is not None and isinstance(failure.get("step"), int):
        step = failure["step"]
    return Found(
        attempt=int(newest.name),
        step=step,
        steps=int(stage.get("steps") or 0),
        kept=kept[0].step if kept else 0,
        failure=failure,
        job=owner.get("job"),
        restart=int(owner.get("restart") or 0),
        host=str(owner.get("host") or about.get("host") or ""),
        folder=str(folder),
    )


def pace(found: Found, now: float) -> Pace:
    """Return how the newest attempt of a running piece goes; ``now`` is the time of day."""
    if not found.attempt:
        return Pace()
    place = Path(found.folder, "attempts", str(found.attempt))
    metrics = _last_lines(place / "metrics.jsonl", 1)
    timing = _last_lines(place / "timing.jsonl", _LAST_STEPS)
    figure = ""
    for key, label in (("reward/mean", "reward"), ("loss", "loss")):
        value = metrics[-1].get(key) if metrics else None
        if isinstance(value, (int, float)):
            figure = f"{label} {value:.3g}"
            break
    if not timing:
        return Pace(figure)
    spent = [line.get("seconds") for line in timing]
    usual = fmean(float(each) if isinstance(each, (int, float)) else 0.0 for each in spent)
    at = timing[-1].get("at")
    age = max(0.0, now - float(at)) if isinstance(at, (int, float)) else None
    left = usual * max(0, found.steps - found.step) if found.steps else None
    return Pace(figure, left, age, usual)


def _last_lines(path: Path, most: int, report: Report = unsaid) -> list[dict[str, Any]]:
    """Return the last whole lines of a file of JSON lines, oldest first, that have a step."""
    try:
        with path.open("rb") as stream:
            size = stream.seek(0, os.SEEK_END)
            tail = _TAIL
            while True:
                stream.seek(max(0, size - tail))
                # What follows the last line break is torn, what precedes the first may be.
                parts = stream.read().split(b"\n")[:-1]
                whole = parts if tail >= size else parts[1:]
                if whole or tail >= size:
                    break
                tail *= 8
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        report(f"{path} cannot be read: {error.strerror or error}")
        return []
    lines = []
    for raw in whole[-most:]:
        line, why = parsed(raw, records.STEP)
        if line is None:
            report(f"a line at the end of {path} is damaged: {why}")
        else:
            lines.append(line)
    return lines
