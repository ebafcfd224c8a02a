"""A shell completes the names of runs, of their stages, and the flags of the commands on them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from etude.cli.run_names import of_runs


@pytest.fixture(autouse=True)
def two_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    members = [
        {
            "name": "sweep",
            "overrides": [f"seed={seed}"],
            "stages": [{"name": "rl", "fingerprint": f"{seed}abcd"}],
        }
        for seed in (1, 2)
    ]
    for name in ("2026-01-01-sweep-77aa", "2026-01-02-other-0b0b"):
        folder = tmp_path / "outputs" / "runs" / name
        folder.mkdir(parents=True)
        (folder / "result.json").write_text(json.dumps({"state": "done", "runs": members}))


def test_runs_are_completed_by_their_names_or_their_last_parts() -> None:
    assert sorted(of_runs(["status"], "2026-")) == [
        "2026-01-01-sweep-77aa",
        "2026-01-02-other-0b0b",
    ]
    assert of_runs(["cancel"], "77") == ["77aa"]
    assert of_runs(["status", "--outputs", "elsewhere"], "77") == []
    assert of_runs(["status", "77aa"], "") == []


def test_stages_are_completed_and_then_what_tells_them_apart() -> None:
    assert of_runs(["logs", "77aa"], "") == ["rl", "rl-1abc", "rl-2abc"]
    assert of_runs(["logs", "77aa", "--rank", "1", "rl"], "se") == ["seed=1", "seed=2"]
    assert of_runs(["logs", "no-such-run"], "") == []


def test_flags_are_completed() -> None:
    assert of_runs(["logs", "77aa"], "--f") == ["--follow"]
    assert "--watch" in of_runs(["status"], "--")


def test_what_is_compared_is_completed_word_by_word(tmp_path: Path) -> None:
    (tmp_path / "outputs" / "stages" / "rl-1abc").mkdir(parents=True)
    (tmp_path / "outputs" / "evaluations" / "rl-9def").mkdir(parents=True)
    assert of_runs(["compare", "77aa"], "0b") == ["0b0b"]
    assert of_runs(["compare", "77aa"], "rl") == ["rl-1abc", "rl-9def"]
    assert len(of_runs(["compare"], "")) == 2  # runs alone: there may be thousands of the others
    assert of_runs(["compare", "77aa"], "--ag") == ["--against"]
