"""The benchmark of methods: every objective is planned with a claim, and what is typed composes."""

from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from etude.config.prepare import prepare

sys.path.append(str(Path(__file__).parents[2] / "benchmarks"))

from claims import BEFORE, CLAIMS
from method_members import NEEDS, SAME_AS, WORLDS, member, objectives, trained_in
from tables import between, half_width, told

SIZES = SimpleNamespace(problems=20, tries=4, lr="1e-4")


def test_every_registered_objective_is_planned_with_a_claim():
    assert set(CLAIMS) == set(objectives())
    assert set(NEEDS) - {"sft_on_calls"} <= set(CLAIMS)
    for name, claim in CLAIMS.items():
        assert trained_in(name)
        assert claim.signs and claim.home in trained_in(name)
        than = {sign.than for sign in claim.signs} - {BEFORE}
        assert all(set(trained_in(name)) <= set(trained_in(other)) for other in than)


@pytest.mark.parametrize("name", [*sorted(NEEDS), "grpo", "ghpo", "ppo"])
def test_what_is_typed_for_an_objective_composes(name):
    for world in trained_in(name):
        if WORLDS[world].package:
            continue
        given = member(name, WORLDS[world], "base", 3, SIZES)
        (run,) = prepare(given.with_steps(2, measured=True)).runs
        named = {stage.config["objective"].get("preset", stage.learner) for stage in run[1]}
        known = {stage.config["objective"]["name"] for stage in run[1]} | named
        wanted = {"sft_on_calls": "sft"}.get(name, name)
        assert wanted in known or SAME_AS.get(name) in known
        assert all(stage.config["seed"] == 3 for stage in run[1])
        assert any(stage.config["training"]["steps"] == 2 for stage in run[1])


def test_an_interval_of_a_mean_is_that_of_student():
    assert half_width([0.0, 1.0]) == pytest.approx(12.706 * 0.5, rel=1e-3)
    assert half_width([3.0]) == 0
    assert told([0.1, 0.2, 0.3], "+") == "+0.200 ± 0.248"
    page = "a\n<!-- t -->\nold\n<!-- end of t -->\nb\n"
    assert between(page, "t", "new") == "a\n<!-- t -->\n\nnew\n<!-- end of t -->\nb\n"
    with pytest.raises(SystemExit, match="there is no <!-- x --> … <!-- end of x --> in the page"):
        between(page, "x", "new")
