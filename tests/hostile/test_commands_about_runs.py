"""Commands about runs with arguments that fit nothing, too much, or are no names at all."""

from __future__ import annotations

from pathlib import Path

import pytest
from inputs import Hostile, check, sampled

from fake_run import FakeRun, dump
from warm_commands import Place

_UNKNOWN = "is called"
_MANY = "fits 2 runs"


def _etude(name: str, words: list[str], *says: str, code: int = 1, **more: object) -> Hostile:
    return Hostile(name, words, says, code, "etude", **more)  # type: ignore[arg-type]


NAMES = [
    *(
        _etude(f"{command}, {kind}", [command, name, *more], says)
        for command, more in (("status", []), ("logs", ["rl"]), ("cancel", []), ("resume", []))
        for kind, name, says in (
            ("unknown", "zzzz", "'zzzz'; the newest are"),
            ("unicode", "größe-№5", _UNKNOWN),
            ("path of nothing", "../../etc/passwd", _UNKNOWN),
            ("escape", "\x1b[31mred", _UNKNOWN),
        )
    ),
    _etude("logs, two runs", ["logs", "sweep", "rl"], _MANY),
    _etude("cancel, two runs", ["cancel", "2026"], _MANY),
    _etude("resume, two runs", ["resume", "2026-01"], _MANY),
    _etude("status, two runs", ["status", "sweep"], "77aa", "88bb", code=0),
    _etude("status, a whole name", ["status", "2026-01-01-sweep-77aa"], "2 stages", code=0),
    _etude("logs, no stage", ["logs", "77aa"], "type one:", "etude logs 77aa rl-rl1", code=0),
    _etude("logs, nothing", ["logs"], "type one:", code=0),
    _etude("logs, no such stage", ["logs", "77aa", "dpo"], "has no stage 'dpo'"),
    _etude("logs, an empty stage", ["logs", "77aa", ""], "has no stage ''"),
    _etude("logs, no such attempt", ["logs", "77aa", "rl", "--attempt", "7"], "no attempt 7"),
    _etude("logs, attempt -1", ["logs", "77aa", "rl", "--attempt", "-1"], "no attempt -1"),
    _etude("logs, no such rank", ["logs", "77aa", "rl", "--rank", "3"], "leave --rank out"),
    _etude("logs, rank x", ["logs", "77aa", "rl", "--rank", "x"], "--rank", code=2),
    _etude("resume, nothing", ["resume"], "which run?", "etude resume 77aa"),
    _etude("resume, no change", ["resume", "77aa", "seed"], "is no KEY=VALUE", code=2),
    _etude("resume, a result", ["resume", "77aa", "seed=2"], "can no longer change", code=2),
    _etude("resume, no key", ["resume", "77aa", "execution.thraeds=2"], "threads", code=2),
    _etude("resume, no stage", ["resume", "77aa", "stages.x.execution.threads=2"], "'x'", code=2),
    _etude("resume, many", ["resume", "77aa", "execution.threads=1,2"], "several", code=2),
    _etude("cancel, nothing", ["cancel"], "run", code=2),
    _etude("cancel, over", ["cancel", "77aa"], "nothing to cancel", code=0),
    _etude("clean, no such run", ["clean", "--runs", "zzzz"], "is called 'zzzz'"),
    _etude("clean, no run", ["clean", "--runs"], "--runs", code=2),
    _etude("clean, more words", ["clean", "everything"], "everything", code=2),
    _etude("flag", ["status", "--verbose"], "--verbose", code=2),
    _etude("outputs, a file", ["status", "--outputs", "note.txt"], "no runs under", code=0),
    _etude("outputs, none", ["status", "--outputs"], "--outputs", code=2),
    _etude("outputs, nowhere", ["logs", "77aa", "rl", "--outputs", "gone"], "there are no runs"),
    _etude("list, no group", ["list", "objektive"], "objektive", code=2),
    _etude("list, unicode", ["list", "größe"], "größe", code=2),
    _etude("show, no value", ["show", "objective="], "objective", code=2),
    _etude("plan, no key", ["plan", "training.stesp=3"], "steps", code=2),
    _etude("plan, a file", ["plan", "note.txt"], "note.txt", code=2),
    _etude("no such command", ["stauts"], "status", code=2),
    _etude("train in etude", ["train"], "is a command of its own", code=2),
    _etude("an override", ["seed=1"], "seed=1", code=2),
]


@pytest.mark.parametrize("hostile", sampled(NAMES, 8))
def test_what_fits_no_run_is_said(hostile: Hostile, here: Place) -> None:
    two_runs(here.folder)
    check(hostile, here)


def two_runs(folder: Path) -> None:
    """Write two runs of this machine that are over, and a file beside them."""
    (folder / "note.txt").write_text("no run\n")
    outputs = folder / "outputs"
    for name in ("2026-01-02-sweep-88bb", "2026-01-01-sweep-77aa"):
        run = FakeRun(outputs, name, launcher="local")
        dump(run.folder / "result.json", {"state": "failed", "problems": [], "runs": []})
    run.done("sft1")
    run.attempt("rl1", step=3, error="ValueError: no such row", kept=2)
