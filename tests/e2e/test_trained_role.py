"""A second model trains beside the policy, is killed and goes on to the bit, and is used later."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from warm_commands import ROWS, Moment, Place, small

pytestmark = pytest.mark.slow

TESTS = Path(__file__).parents[1]
PAGE = (TESTS.parent / "docs/roles.md").read_text()
COMMAND = (
    "recipe=rl",
    *small(ROWS, "training.steps"),
    "training.steps=5",
    "models.other=start",
    "models.other.train.objective=rloo",
    "models.other.train.optimizer.lr=1e-3",
    "models.other.train.schedule=./rounds.py:Rounds",
    "curriculum=./exchange.py:Exchange",
    "curriculum.role=other",
    "curriculum.how=swap",
    "curriculum.every=3",
    "execution.checkpoint_every=2",
)
LINES = ("metrics.jsonl", "samples.jsonl", "roles/other/model.safetensors")


def snippet(first: str) -> str:
    """Return the code block of the page that begins with a line."""
    start = PAGE.index(first)
    return PAGE[start : PAGE.index("```", start)]


def put(place: Place) -> Place:
    (place.folder / "rounds.py").write_text(snippet("# rounds.py"))
    return place.with_files(TESTS / "exchange.py")


def test_the_page_shows_the_component_that_is_tried_here() -> None:
    for name in ("exchange.py", "proofread.py"):
        assert f"```python\n{(TESTS / name).read_text()}```" in PAGE


def test_it_trains_and_goes_on_after_kills_to_the_bit(
    here: Place, elsewhere: Callable[[str], Place]
) -> None:
    put(here)
    ended = here.train(*COMMAND)
    assert ended.code == 0, ended.said
    whole = here.kept(*LINES)
    assert b'"other/loss"' in whole["metrics.jsonl"]
    assert whole["model/model.safetensors"] != whole["roles/other/model.safetensors"]
    there = put(elsewhere("killed"))
    moments = (
        Moment("etude.learner.trainee:Trainee.update", 3),
        Moment("etude.learner.trainee:Trainee.update", 2),
        Moment("etude.execute.checkpoint:write", 1),
    )
    there.train_through_kills(moments, *COMMAND)
    assert there.kept(*LINES) == whole
