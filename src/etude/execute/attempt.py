"""One attempt at a stage: a folder of its own that no other attempt writes to."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import socket
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from etude.config.evaluations import MAIN
from etude.execute import atomic
from etude.execute.lines import LineWriter, raw_lines
from etude.execute.owner import Owner
from etude.learner.interface import Measured
from etude.plan import layout, records
from etude.plan.nodes import StageNode
from etude.plan.records import Report, unsaid
from etude.printable import printable

#: The files of lines an attempt writes; every line begins with its step.
FILES = ("metrics", "samples", "timing", "evaluations", "evaluation_samples")

#: Files whose lines are numbered by finished steps (a checkpoint at step n keeps line n).
BY_FINISHED = frozenset({"evaluations", "evaluation_samples"})

#: The key of a line that says which evaluation it is of; without it, of main.
NAMED = "evaluation"


@dataclass(frozen=True)
class Origin:
    """Where an attempt begins: after ``step`` steps of another attempt, or of another stage.

    ``stage`` is the folder name of a stage that is extended; None is the attempt's own stage.
    """

    step: int
    attempt: int
    stage: str | None = None


class _Formatter(logging.Formatter):
    """Lines of a log, in which nothing steers the terminal that shows it."""

    def format(self, record: logging.LogRecord) -> str:
        return printable(super().format(record))


class Log(logging.FileHandler):
    """An attempt's log; a full disk is reported by the files that matter, not by this one.

    It hears what any logger of this process says, until :meth:`end`.
    """

    def __init__(self, path: Path) -> None:
        super().__init__(path, encoding="utf-8")
        self.setFormatter(_Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
        logging.getLogger().addHandler(self)

    def end(self) -> None:
        """Hear no more, and close the file."""
        logging.getLogger().removeHandler(self)
        with contextlib.suppress(OSError):
            self.close()

    def handleError(self, record: logging.LogRecord) -> None:
        """Let a line be lost."""


class Attempt:
    """An open attempt: its number, its files of lines and its log."""

    def __init__(
        self,
        stage_folder: Path,
        node: StageNode,
        origin: Origin | None,
        report: Report = unsaid,
    ) -> None:
        self.number, self.folder = _new_folder(stage_folder)
        self.first_step = origin.step if origin is not None else 0
        self.node = node
        with atomic.storing(self.folder):
            (self.folder / "checkpoints").mkdir()
        if origin is not None and origin.stage is not None:
            self._inherit(stage_folder.parent / origin.stage, origin, report)
        write_config(self.folder / "config.yaml", node.config)
        about = {
            "attempt": self.number,
            "first_step": self.first_step,
            "from": asdict(origin) if origin is not None else None,
            "host": socket.gethostname(),
            "pid": os.getpid(),
            "owner": Owner.here().to_json(),
            "started": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
        }
        atomic.write_json(self.folder / "attempt.json", about)
        self._writers = {name: LineWriter(self.folder / f"{name}.jsonl") for name in FILES}
        self._log = Log(self.folder / "log")

    def _inherit(self, source: Path, origin: Origin, report: Report) -> None:
        """Copy the lines that lead to another stage's checkpoint: that folder may be cleaned."""
        attempt = source / "attempts" / str(origin.attempt)
        for name in FILES:
            with atomic.writing(self.folder / f"{name}.jsonl") as stream:
                for raw in lines_of(attempt, name, origin.step, report):
                    stream.write(raw)

    def write(self, name: str, *lines: Mapping[str, Any]) -> None:
        """Append lines to one of the attempt's files. Raises StorageError."""
        if lines:
            self._writers[name].write(*lines)

    def log(self, message: str) -> None:
        """Write a line to the attempt's log alone."""
        record = logging.LogRecord("etude", logging.INFO, "", 0, message, None, None)
        self._log.handle(record)

    def sync(self) -> None:
        """Make all lines so far survive a power failure: a checkpoint stands for them."""
        for writer in self._writers.values():
            writer.sync()

    def close(self) -> None:
        """Close the files and the log."""
        self._log.end()
        for writer in self._writers.values():
            writer.close()


def _new_folder(stage_folder: Path) -> tuple[int, Path]:
    """Make the folder of the next attempt, which no other process has made; return its number."""
    earlier = layout.attempts(stage_folder)
    number = int(earlier[-1].name) + 1 if earlier else 1
    parent = stage_folder / "attempts"
    with atomic.storing(parent):
        parent.mkdir(parents=True, exist_ok=True)
        while True:
            try:
                (parent / str(number)).mkdir()
            except FileExistsError:
                number += 1
            else:
                return number, parent / str(number)


def write_config(path: Path, config: Mapping[str, Any]) -> None:
    """Write a resolved config as YAML, whole or not at all."""
    atomic.write_text(path, config_text(config))


def config_text(config: Mapping[str, Any]) -> str:
    """Return a config as YAML in its own order."""
    import yaml

    # Through JSON, so that shared nodes are written out and not as anchors.
    plain = json.loads(json.dumps(config, default=str))
    dumper = getattr(yaml, "CSafeDumper", yaml.SafeDumper)
    return yaml.dump(plain, Dumper=dumper, sort_keys=False, allow_unicode=True, width=100)


def origin_of(attempt: Path, report: Report = unsaid) -> Origin | None:
    """Return where an attempt began; None at step 0, and where attempt.json cannot be read."""
    about = layout.read_json(attempt / "attempt.json", records.ATTEMPT, report)
    came = (about or {}).get("from")
    return Origin(came["step"], came["attempt"], came.get("stage")) if came else None


def lines_of(attempt: Path, name: str, end: int | None, report: Report = unsaid) -> list[bytes]:
    """Return the lines of a file that lead to ``end`` steps of an attempt, as of one run.

    Each attempt gives the lines up to the checkpoint from which the next one went on; ``end`` None
    takes all. An attempt that extends another stage holds that stage's lines itself. ``report`` is
    told of damaged lines, which are left out here and stay in their attempt's file.
    """
    parts: list[list[bytes]] = []
    place: Path | None = attempt
    while place is not None:
        origin = origin_of(place, report)
        own = [
            raw
            for content, raw in raw_lines(place / f"{name}.jsonl", records.STEP, report)
            if end is None or content["step"] < end + (name in BY_FINISHED)
        ]
        parts.append(own)
        if origin is None or origin.stage is not None:
            break
        end = origin.step
        place = place.parent / str(origin.attempt)
    return [raw for part in reversed(parts) for raw in part]


def evaluations_of(attempt: Path, name: str = MAIN) -> list[dict[str, Any]]:
    """Return the evaluations of a name made in training, up to where an attempt is now."""
    lines = [json.loads(raw) for raw in lines_of(attempt, "evaluations", None)]
    return [line for line in lines if line.get(NAMED, MAIN) == name]


def recorded(stage_folder: Path, name: str, finished: int) -> Measured | None:
    """Return an evaluation that an attempt at a stage made after so many steps, and its samples.

    ``name`` is the evaluation's. None where no attempt did. The newest counts; its samples were
    written before it.
    """
    for attempt in reversed(layout.attempts(stage_folder)):
        found = _at(attempt, "evaluations", name, finished)
        if found:
            return found[-1], _at(attempt, "evaluation_samples", name, finished)
    return None


def _at(attempt: Path, file: str, name: str, finished: int) -> list[dict[str, Any]]:
    """Return an evaluation's lines of an attempt's own file after so many steps, without both."""
    lines = raw_lines(attempt / f"{file}.jsonl", records.STEP)
    return [
        {key: value for key, value in line.items() if key not in ("step", NAMED)}
        for line, _ in lines
        if line["step"] == finished and line.get(NAMED, MAIN) == name
    ]


def named_as(name: str, evaluation: Mapping[str, Any]) -> dict[str, Any]:
    """Return an evaluation's JSON with its name, which main has none of."""
    return dict(evaluation) if name == MAIN else {NAMED: name, **evaluation}


def head_of(name: str, finished: int) -> dict[str, Any]:
    """Return what the lines of an evaluation begin with; main's do not say their name."""
    return {"step": finished} if name == MAIN else {"step": finished, NAMED: name}
