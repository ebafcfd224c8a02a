"""What was composed before leaves no trace in what is composed next."""

from __future__ import annotations

from pathlib import Path

from etude.config.front_check import FrontCheck
from etude.config.installation import make
from etude.schema import built_in

HERE = make(built_in(), Path(__file__).parents[2] / "src" / "etude", [], None)


def test_two_recipes_with_the_same_stage_do_not_share_its_values() -> None:
    one, other = ["recipe=per_step_negatives"], ["recipe=per_step_negatives/weighted"]
    alone = FrontCheck(HERE).run(other).members[0].root
    front = FrontCheck(HERE)
    front.run(one)
    assert front.run(other).members[0].root == alone
