"""What a person can ask of the runs on disk, and what can be deleted of them."""

from __future__ import annotations

from pathlib import Path

import pytest
from fake_stage import chain, config, run

from etude.errors import StorageError
from etude.execute.lock import locked
from etude.launch import clean
from etude.launch.seeing import status

pytestmark = pytest.mark.slow


def test_status_tells_done_failed_and_waiting_with_the_cause(tmp_path: Path) -> None:
    stages = [
        ("sft", config("sft", 4)),
        ("rl", config("rl", 9, fail_at=7)),
        ("end", config("end", 2)),
    ]
    run(chain(tmp_path, *stages))
    (found,) = status.runs(tmp_path)
    states = [(stage.name, stage.state, stage.step, stage.steps) for stage in found.seen]
    assert states == [("sft", "done", 4, 4), ("rl", "failed", 7, 9), ("end", "waiting", 0, 0)]
    text = "\n".join(status.lines(tmp_path))
    assert "3 stages: 1 done, 1 waiting, 1 failed" in text
    assert "FAILED  attempt 1, step 7/9: RuntimeError: CUDA out of memory" in text
    assert "Goes on from step 6" in text
    assert "WAITING for rl did not finish" in text


def test_status_sees_a_stage_that_is_being_trained(tmp_path: Path) -> None:
    run(chain(tmp_path, ("rl", config("rl", 9, fail_at=7))))
    with locked(tmp_path, "frl1", waiting=pytest.fail):
        (stage,) = status.runs(tmp_path)[0].seen
    assert stage.state == "running"
    assert status.runs(tmp_path)[0].seen[0].state == "failed"


def test_status_of_a_name_that_fits_no_run(tmp_path: Path) -> None:
    assert list(status.lines(tmp_path)) == [f"no runs under {tmp_path / 'runs'}"]
    with pytest.raises(StorageError, match=r"no runs under .* type --outputs FOLDER"):
        status.runs(tmp_path, "x77")
    run(chain(tmp_path, ("sft", config("sft", 2))))
    with pytest.raises(StorageError, match=r"no run under .* is called 'x77'; the newest are .*"):
        status.runs(tmp_path, "x77")


def why(outputs: Path, **more: object) -> dict[str, str]:
    items = clean.find(outputs, **more)  # type: ignore[arg-type]
    assert all(item.size > 0 for item in items)
    return {str(item.path.relative_to(outputs)): item.why for item in items}


def test_clean_offers_what_nothing_needs_and_keeps_the_last_checkpoint(tmp_path: Path) -> None:
    run(chain(tmp_path, ("sft", config("sft", 6))))
    run(chain(tmp_path, ("sft", config("sft", 6)), fresh=True))
    run(chain(tmp_path, ("rl", config("rl", 9, fail_at=7))))
    found = why(tmp_path)
    (aside,) = (tmp_path / "stages").glob(".replaced-*")
    assert found == {
        f"stages/{aside.name}": "replaced by fresh=…",
        "stages/sft-fsft1/attempts/1/checkpoints/step_3": "an older checkpoint of a finished stage",
    }
    assert "stages/rl-frl1" in why(tmp_path, unfinished=True)


def test_clean_by_run_spares_what_other_runs_use(tmp_path: Path) -> None:
    first = chain(tmp_path, ("sft", config("sft", 2)))
    second = chain(tmp_path, ("sft", config("sft", 2)), ("rl", config("rl", 2)))
    run(first)
    run(second)
    assert second.folder is not None
    found = why(tmp_path, runs=[second.folder.name])
    assert set(found) == {
        f"runs/{second.folder.name}",
        "stages/rl-frl1",
        "evaluations/rl-e-frl1",
    }
    with pytest.raises(StorageError):
        clean.find(tmp_path, runs=["no-such-run"])


def test_clean_leaves_alone_what_a_process_works_on(tmp_path: Path) -> None:
    graph = chain(tmp_path, ("sft", config("sft", 2)))
    run(graph)
    assert graph.folder is not None
    with locked(tmp_path, "fsft1", waiting=pytest.fail):
        assert "stages/sft-fsft1" not in why(tmp_path, runs=[graph.folder.name])
    assert "stages/sft-fsft1" in why(tmp_path, runs=[graph.folder.name])


def test_clean_deletes_only_with_apply(tmp_path: Path) -> None:
    run(chain(tmp_path, ("sft", config("sft", 6))))
    said: list[str] = []
    place = tmp_path / "stages/sft-fsft1/attempts/1/checkpoints"
    assert clean.main(["--outputs", str(tmp_path)], said.append) == 0
    assert (place / "step_3").is_dir() and "--apply" in said[-1]
    assert clean.main(["--outputs", str(tmp_path), "-y"], said.append) == 0
    assert [path.name for path in place.iterdir()] == ["step_6"]
    assert not clean.find(tmp_path)
