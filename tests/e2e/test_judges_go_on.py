"""Judges with state, each in the other: gone on with to the bit, and alike on two ranks."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable

import pytest
import recipe_of_ranks

from warm_commands import ROWS, Moment, Place, left_over, small

pytestmark = pytest.mark.slow

RULE = "verifier.rule.rule"
#: An oracle beside a corrected cascade, whose budget, appeals and audit all have a state.
COMMAND = (
    "recipe=rl",
    *small(ROWS, "training.steps"),
    "training.steps=4",
    "objective=dr_grpo",
    "verifier=monitored",
    "verifier.oracle=exact",
    "verifier.share=0.5",
    "verifier.rule=noisy_channel",
    "verifier.rule.appeal=exact",
    "verifier.rule.appeals=estimate_only",
    "verifier.rule.prior_positives=5",
    f"{RULE}=cascade",
    f"{RULE}.steps.rule=number",
    f"~{RULE}.steps.math",
    f"{RULE}.order=[rule,generative]",
    f"{RULE}.guards=false",
    f"{RULE}.budgets={{generative:0.3}}",
    f"{RULE}.steps.generative.guards=false",
    f"{RULE}.steps.generative.pattern='([0-9]+)'",
    f"{RULE}.steps.generative.max_new_tokens=4",
    # An untrained model says what it likes: one letter decides.
    f"{RULE}.steps.generative.verdict.pattern='([a-zA-Z])'",
    f"{RULE}.steps.generative.verdict.accepts=e",
    "models.judge=base",
    "execution.checkpoint_every=2",
)
LINES = ("metrics.jsonl", "samples.jsonl")


def lines(place: Place) -> list[dict[str, float]]:
    return [json.loads(line) for line in (place.stage() / "metrics.jsonl").open()]


def test_they_go_on_to_the_bit(elsewhere: Callable[[str], Place]) -> None:
    place = elsewhere("whole")
    ended = place.train(*COMMAND)
    assert ended.code == 0, ended.said
    assert "audit of the judge (judge)" in ended.said
    told = lines(place)
    asked = [line["verifier/rule/rule/generative/share"] for line in told]
    assert all(0 < share <= 1 for share in asked)
    assert min(asked[1:]) < asked[0]  # the budget has acted
    assert {"verifier/separation", "verifier/rule/coefficient"} <= told[0].keys()
    assert any("verifier/rule/rule/steps/generative/audit/accepted" in line for line in told)

    killed = elsewhere("killed")
    started = killed.start("train", *COMMAND, at=Moment("etude.learner.trainee:Trainee.update", 3))
    started.reach()
    started.kill()
    assert not left_over(started.mark)
    ended = killed.train(*COMMAND)
    assert ended.code == 0, ended.said
    assert killed.kept(*LINES) == place.kept(*LINES)

    if not os.environ.get("ETUDE_LONG"):
        return
    two = elsewhere("two")
    launch = ("-m", "torch.distributed.run", "--nproc-per-node", "2", "--rdzv-backend", "c10d")
    program = ("--rdzv-endpoint", "127.0.0.1:0", recipe_of_ranks.__file__, *COMMAND)
    done = subprocess.run(
        [sys.executable, *launch, *program],
        cwd=two.folder,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=900,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    for line, alone in zip(lines(two), told, strict=True):
        assert line == pytest.approx(alone, rel=1e-3, abs=1e-5)
