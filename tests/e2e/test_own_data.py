"""Data of one's own, from the files that the README shows to a trained model."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

import pytest

from warm_commands import PROBLEMS, ROWS, Place, small

SECTION = (Path(__file__).parents[2] / "README.md").read_text("utf-8")
SECTION = SECTION.partition("## Your own data\n")[2].partition("\n## ")[0]
#: Name of a file → its content, as the section shows them.
FILES = dict(re.findall(r"`(conf/[\w/]+\.yaml)`:\n\n```yaml\n(.*?)```", SECTION, re.DOTALL))
TYPED = re.search(r"```\n(etude plan .*?)```", SECTION, re.DOTALL)


def written(here: Place) -> None:
    for name, content in FILES.items():
        path = here.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content, "utf-8")
    rows = [{"question": f"{n}+1=", "reward": {"truth": n + 1}} for n in range(60)]
    (here.folder / "data").mkdir()
    text = "".join(json.dumps(row) + "\n" for row in rows)
    (here.folder / "data" / "mine.jsonl").write_text(text)


def test_the_section_shows_a_source_a_mix_that_replaces_and_one_that_adds() -> None:
    assert list(FILES) == [
        "conf/sources/mine.yaml",
        "conf/data_mix/mine.yaml",
        "conf/data_mix/mine_added.yaml",
    ]
    assert TYPED is not None


@pytest.mark.slow
def test_what_the_readme_shows_of_own_data_trains(here: Place) -> None:
    written(here)
    assert TYPED is not None
    for line in TYPED[1].splitlines():
        command, *words = shlex.split(line, comments=True)
        sizes = small(ROWS) if words[-1] == "data_mix=mine_added" else small(ROWS, PROBLEMS)
        ended = here.run(command, *words, *sizes, "training.steps=1", "rollout.max_new_tokens=8")
        assert ended.code == 0, ended.said
    mixes = {path.parent.name for path in here.folder.glob("outputs/stages/*/DONE.json")}
    assert len(mixes) == 2


def test_a_file_without_the_column_is_told_by_the_plan(here: Place) -> None:
    written(here)
    (here.folder / "data" / "mine.jsonl").write_text('{"question": "1+1=", "reward": {"turth": 2}}')
    ended = here.run("etude", "plan", "recipe=rl", "data_mix=mine")
    assert ended.code == 2, ended.said
    assert "Did you mean turth?" in ended.said
