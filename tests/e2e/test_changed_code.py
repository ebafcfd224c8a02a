"""The code of a learner changes after a stage was trained: nothing silent comes of it."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

import etude
from warm_commands import SMALL, Place

pytestmark = pytest.mark.slow

COMMAND = [
    "recipe=sft_then_rl",
    "stages.sft.training.steps=2",
    "stages.rl.training.steps=1",
    *SMALL,
    "evaluation=null",
]


def changed_code(place: Path) -> str:
    """Return a folder with a copy of etude whose policy-gradient learner has another line."""
    copy = place / "etude"
    shutil.copytree(Path(etude.__file__).parent, copy, ignore=shutil.ignore_patterns("__pycache__"))
    learner = copy / "learner" / "policy_gradient.py"
    learner.write_text(learner.read_text() + "\nLATER = 1\n")
    errors = copy / "errors.py"
    errors.write_text(errors.read_text() + '\nLATER = "another message"\n')
    return str(place)


def test_a_changed_learner_starts_nothing_until_one_of_two_ways_is_chosen(
    here: Place, tmp_path: Path
) -> None:
    command = [word for word in COMMAND if not word.startswith("evaluation.")]
    assert here.train(*command).code == 0
    before = sorted(path.name for path in (here.folder / "outputs/stages").iterdir())
    code = changed_code(tmp_path / "later")

    refused = here.train(*command, cold=True, PYTHONPATH=code)
    assert refused.code == 2, refused.said
    (rl,) = [name for name in before if name.startswith("rl-")]
    (sft,) = [name for name in before if name.startswith("sft-")]
    assert rl in refused.said and sft not in refused.said
    assert "etude/learner/policy_gradient.py differs" in refused.said
    assert "fresh='[rl]'" in refused.said

    used = here.train(*command, "execution.accept_code=true", cold=True, PYTHONPATH=code)
    assert used.code == 0, used.said
    assert "rl done" in used.said
    assert sorted(path.name for path in (here.folder / "outputs/stages").iterdir()) == before
