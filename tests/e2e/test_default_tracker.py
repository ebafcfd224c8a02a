"""What the default tracker leaves behind for a person without a W&B account."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from wandb_files import history
from warm_commands import ROWS, Place, left_over, small

pytestmark = pytest.mark.slow


def test_nobody_logged_in_means_offline_files_under_outputs_and_nothing_elsewhere(
    here: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("WANDB_API_KEY", "WANDB_MODE", "WANDB_DISABLED", "WANDB_DIR", "NETRC"):
        monkeypatch.delenv(name, raising=False)
    home = tmp_path / "home"
    home.mkdir()
    here.folder = tmp_path / "work"
    here.folder.mkdir()
    command = ["recipe=rl", *small("tracker", ROWS), "training.steps=20"]
    command += ["execution.checkpoint_every=1", "evaluation.problems=2"]

    # Killed in the middle, W&B's own process ends too.
    started = here.start("train", *command, cold=True, HOME=str(home))
    while " rl 4/20" not in started.out:
        assert not started.wait_a_little(), started.end().said
    started.send(signal.SIGKILL)
    assert started.end().code == -signal.SIGKILL
    assert not left_over(started.mark, within=10)

    ended = here.train(*command, HOME=str(home))
    assert ended.code == 0, ended.said
    assert "resumes after step" in ended.out
    files = list((here.folder / "outputs/wandb").glob("offline-run-*/*.wandb"))
    assert len(files) == 2 and all(path.stat().st_size > 0 for path in files)
    # The newer has every step once, whatever the killed one lacks and had beyond its checkpoint.
    steps = [row["step"] for row in history(max(files)) if "loss" in row]
    assert steps == list(range(20))
    # One W&B run a stage: both attempts have its id.
    (stage,) = (here.folder / "outputs/stages").iterdir()
    assert {path.stem for path in files} == {f"run-{stage.name.rpartition('-')[2]}"}
    assert "W&B      offline; wandb sync outputs/wandb/offline-run-*" in ended.out
    assert [path.name for path in here.folder.iterdir() if path.name[0] != "."] == ["outputs"]
    assert "Traceback" not in ended.err
