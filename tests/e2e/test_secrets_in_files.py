"""A secret of the environment reaches what uses it and no file, no terminal and no tracker."""

from __future__ import annotations

import pytest

from warm_commands import Place, small

SECRET = "hf_2b7e151628aed2a6"
WRITTEN = "${oc.env:A_TOKEN}"
WORDS = [f"tracker.group={WRITTEN}", f"rollout.stop=[{WRITTEN}]", f"tracker.tags=[{WRITTEN}]"]


@pytest.mark.slow
def test_nothing_that_a_run_writes_holds_what_a_variable_holds(here: Place) -> None:
    words = [*small("tracker="), "tracker.mode=offline", *WORDS, "debug=true"]
    ended = here.train(*words, A_TOKEN=SECRET)
    assert ended.code == 0, ended.said
    files = [path for path in here.folder.rglob("*") if path.is_file()]
    holding = {str(path) for path in files if SECRET.encode() in path.read_bytes()}
    # W&B's own record names the group of a run, which is what it was given the variable for.
    assert not {path for path in holding if "/wandb/" not in path}
    assert SECRET not in ended.said
    configs = [path for path in files if path.name == "config.yaml" and "/wandb/" not in str(path)]
    assert configs
    assert all(WRITTEN in path.read_text() for path in configs if "rollout:" in path.read_text())


def test_what_shows_a_config_shows_it_as_written(here: Place) -> None:
    for command in (["train", "--cfg", "job"], ["train", "--cfg", "job", "--resolve"]):
        ended = here.run(command[0], *command[1:], *WORDS, A_TOKEN=SECRET)
        assert ended.code == 0, ended.said
        assert WRITTEN in ended.out
        assert SECRET not in ended.said
    for name in ("show", "plan"):
        ended = here.run("etude", name, *WORDS, A_TOKEN=SECRET)
        assert ended.code == 0, ended.said
        assert SECRET not in ended.said
