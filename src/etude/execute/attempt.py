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

from etude.execute import atomic
from etude.execute.lines import LineWriter, raw_lines
from etude.execute.owner import Owner
from etude.plan import layout
from etude.plan.nodes import StageNode

#: The files of lines an attempt writes; every line begins with its step.
FILES = ("metrics", "samples", "timing", "evaluations", "evaluation_samples")

#: Files whose lines are numbered by finished steps (a checkpoint at step n keeps line n).
BY_FINISHED = frozenset({"evaluations", "evaluation_samples"})


@dataclass(frozen=True)
class Origin:
    """Where an attempt begins: after ``step`` steps of another attempt, or of another stage.

    ``stage`` is the folder name of a stage that is extended; None is the attempt's own stage.
    """

    step: int
    attempt: int
    stage: str | None = None


class Log(logging.FileHandler):
    """An attempt's log; a full disk is reported by the files that matter, not by this one.

    It hears what any logger of this process says, until :meth:`end`.
    """

    def __init__(self, path: Path) -> None:
        super().__init__(path, encoding="utf-8")
        self.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
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

    def __init__(self, stage_folder: Path, node: StageNode, origin: Origin | None) -> None:
        self.number, self.folder = _new_folder(stage_folder)
        self.first_step = origin.step if origin is not None else 0
        self.node = node
        with atomic.storing(self.folder):
            (self.folder / "checkpoints").mkdir()
        if origin is not None and origin.stage is not None:
            self._inherit(stage_folder.parent / origin.stage, origin)
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

    def _inherit(self, source: Path, origin: Origin) -> None:
        """Copy the lines that lead to another stage's checkpoint: that folder may be cleaned."""
        attempt = source / "attempts" / str(origin.attempt)
        for name in FILES:
            with atomic.writing(self.folder / f"{name}.jsonl") as stream:
                for raw in lines_of(attempt, name, origin.step):
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


def origin_of(attempt: Path) -> Origin | None:
    """Return where an attempt began; None at step 0."""
    about = layout.read_json(attempt / "attempt.json")
    return Origin(**about["from"]) if about is not None and about["from"] else None


def lines_of(attempt: Path, name: str, end: int | None) -> list[bytes]:
    """Return the lines of a file that lead to ``end`` steps of an attempt, as of one run.

    Each attempt gives the lines up to the checkpoint from which the next one went on; ``end`` None
    takes all. An attempt that extends another stage holds that stage's lines itself.
    """
    parts: list[list[bytes]] = []
    place: Path | None = attempt
    while place is not None:
        origin = origin_of(place)
        own = [
            raw
            for content, raw in raw_lines(place / f"{name}.jsonl")
            if end is None or content["step"] < end + (name in BY_FINISHED)
        ]
        parts.append(own)
        if origin is None or origin.stage is not None:
            break
        end = origin.step
        place = place.parent / str(origin.attempt)
    return [raw for part in reversed(parts) for raw in part]


def evaluations_of(attempt: Path) -> list[dict[str, Any]]:
    """Return the evaluations made during training, up to where an attempt is now."""
    return [json.loads(raw) for raw in lines_of(attempt, "evaluations", None)]
