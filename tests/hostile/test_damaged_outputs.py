"""Files of a run that were damaged: the run beside it stays visible, and the file is named."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest
from inputs import Hostile, check, sampled

from etude.plan.layout import LAYOUT
from fake_run import FakeRun, dump
from warm_commands import Place

DAMAGES: dict[str, Callable[[Path], object]] = {
    "empty": lambda path: path.write_bytes(b""),
    "torn": lambda path: path.write_bytes(path.read_bytes()[:-9]),
    "not UTF-8": lambda path: path.write_bytes(b"\xff\xfe\x00{"),
    "of another shape": lambda path: path.write_text('[{"state": 3}]\n'),
    "deeply nested": lambda path: path.write_text("[" * 200_000),
    "a folder": lambda path: (path.unlink(), path.mkdir()),
    "a link to nothing": lambda path: (path.unlink(), path.symlink_to("nowhere")),
    "a link to itself": lambda path: (path.unlink(), path.symlink_to(path.name)),
}

#: What of a run is damaged, from its outputs.
FILES = {
    "graph": "runs/2026-01-01-sweep-77aa/plan/graph.json",
    "result": "runs/2026-01-01-sweep-77aa/result.json",
    "jobs": "runs/2026-01-01-sweep-77aa/jobs.jsonl",
    "stage": "stages/rl-rl1/stage.json",
    "attempt": "stages/rl-rl1/attempts/1/attempt.json",
    "failure": "stages/rl-rl1/attempts/1/FAILED.json",
    "lines": "stages/rl-rl1/attempts/1/metrics.jsonl",
    "done": "stages/sft-sft1/DONE.json",
    "evaluation": "evaluations/sft-esft1/FAILED.json",
}

_DAMAGED, _WHOLE = "2026-01-01-sweep-77aa", "2026-01-02-sweep-88bb"


def two_runs(outputs: Path, kind: str) -> None:
    """Write two runs that failed; they share their stages. A third stage is no run's."""
    for name in (_DAMAGED, _WHOLE):
        run = FakeRun(outputs, name, launcher="local")
        dump(run.folder / "result.json", {"state": "failed", "problems": [], "runs": []})
    if kind == "jobs":
        job = {"unit": "x", "job": "1", "run": _DAMAGED}
        (outputs / FILES["jobs"]).write_text(f"{json.dumps(job)}\n")
    run.done("sft1")
    run.attempt("rl1", step=3, error="ValueError: no such row", kept=2)
    dump(outputs / "evaluations" / "sft-esft1" / "FAILED.json", {"error": "no judge"})
    dump(outputs / "stages" / "old-feedbeef" / "stage.json", {"layout": LAYOUT})


def _hostile(command: str, words: list[str], kinds: Iterable[str]) -> list[Hostile]:
    """Return one input for each file and damage; what it damages is its name."""
    found = []
    for kind in kinds:
        for damage in DAMAGES:
            says = [] if (kind, damage) in UNTOLD else [Path(FILES[kind]).name]
            if command == "status":
                says.append(f"{_WHOLE}   2 stages: ")
            elif command == "logs":
                says = ["log of attempt 1"]
            elif kind != "graph":
                says = ["old-feedbeef  (no run refers to it)"]
            found.append(Hostile(f"{command} {kind} {damage}", words, says, 0, "etude"))
    return found


#: Damage that looks like what a kill leaves, or like a file that was never written.
UNTOLD = {
    ("lines", "empty"),
    ("lines", "torn"),
    ("jobs", "empty"),
    ("jobs", "torn"),
    ("lines", "deeply nested"),  # no line has ended
    ("jobs", "deeply nested"),
    ("lines", "not UTF-8"),
    ("jobs", "not UTF-8"),
    ("lines", "a link to nothing"),
    ("jobs", "a link to nothing"),
}

STATUS = _hostile("status", ["status"], FILES)
LOGS = _hostile("logs", ["logs", "88bb", "rl"], ("result", "attempt", "lines"))
CLEAN = _hostile("clean", ["clean"], ("graph", "result", "stage", "done"))


@pytest.mark.parametrize("hostile", [*sampled(STATUS, 9), *sampled(LOGS, 4), *sampled(CLEAN, 4)])
def test_damage_harms_one_run_and_is_told_by_name(hostile: Hostile, here: Place) -> None:
    _, kind, damage = hostile.name.split(" ", 2)
    two_runs(here.folder / "outputs", kind)
    DAMAGES[damage](here.folder / "outputs" / FILES[kind])
    check(hostile, here)
