"""A stage whose files were damaged goes on from its checkpoint, and says what it leaves out."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from warm_commands import ROLLOUTS, Place, small

pytestmark = pytest.mark.slow


def test_damaged_lines_are_said_and_left_out(here: Place) -> None:
    words = ["recipe=sft", *small(*ROLLOUTS, "evaluation", "rollout"), "evaluation=null"]
    words += ["training.steps=4", "execution.checkpoint_every=2", "execution.keep=2"]
    assert here.train(*words).code == 0
    (folder,) = here.folder.glob("outputs/stages/sft-*")
    attempt = folder / "attempts" / "1"
    _cut_off(folder)
    lines = (attempt / "metrics.jsonl").read_bytes().splitlines(keepends=True)
    assert len(lines) == 4
    (attempt / "metrics.jsonl").write_bytes(b"\xff{torn\n" + b"".join(lines[1:]))
    (attempt / "timing.jsonl").write_bytes(b"[]\n" * 2)
    (attempt / "checkpoints" / "step_4" / "manifest.json").write_text("[")
    (folder / "stage.json").write_text("")
    ended = here.train(*words)
    assert ended.code == 0, ended.said
    assert "line 1 of" in ended.out and "metrics.jsonl is damaged and left out" in ended.out
    assert "the checkpoint after step 4 is not used" in ended.out
    assert "resumes after step 2" in ended.out
    joined = [json.loads(line)["step"] for line in (folder / "metrics.jsonl").open()]
    assert joined == [1, 2, 3]
    assert (attempt / "metrics.jsonl").read_bytes().startswith(b"\xff{torn\n")
    assert json.loads((folder / "DONE.json").read_text())["steps"] == 4
    _cut_off(folder)
    (folder / "attempts" / "2" / "attempt.json").write_text("null")
    ended = here.train(*words)
    assert ended.code == 0, ended.said
    assert "attempt.json cannot be read: it holds no JSON object" in ended.out
    assert here.run("etude", "status").out.count("1 stage: 1 done") == 3


def _cut_off(folder: Path) -> None:
    """Leave a stage as a kill just before its end does."""
    (folder / "DONE.json").unlink()
    for name in ("metrics", "timing", "samples"):
        (folder / f"{name}.jsonl").unlink()
