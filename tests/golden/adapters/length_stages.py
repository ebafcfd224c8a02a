"""Phases of growing limits: when each ends, heard step by step."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from etude.curriculum.length_progressive import LengthProgressive
from etude.feedback import RowRecord, StepFeedback
from etude.rows import StopReason

METHOD = "length_curriculum"
CONFIG = {"kind", "stages"}
INPUTS = {"events"}
KEYS = {"max_response_length", "min_steps", "max_steps", "clip_ratio_max"}

#: Rows of a step, of which a share is truncated.
ROWS = 1000


def heard(step: int, truncated: float) -> StepFeedback:
    """Return what is told of a step with a share of truncated answers."""
    rows = [
        RowRecord("a", n, "s", {}, 1, stop_reason=StopReason.LENGTH if cut else StopReason.STOP)
        for n in range(ROWS)
        for cut in [n < round(truncated * ROWS)]
    ]
    return StepFeedback(step, 99, {}, rows=rows)


def run(case: Any) -> None:
    case.config.choose("kind", {"stages": None})
    stages = case.config.take("stages")
    assert all(set(stage) == KEYS for stage in stages), f"{case.name}: other keys than {KEYS}"
    limits = [stage["max_response_length"] for stage in stages]
    curriculum = LengthProgressive(
        limits=limits,
        steps=[stage["max_steps"] for stage in stages],
        min_steps=[stage["min_steps"] for stage in stages],
        truncated=[stage["clip_ratio_max"] for stage in stages],
    )
    rollout = SimpleNamespace(max_new_tokens=max(limits))
    state = curriculum.open(SimpleNamespace(steps=99, parts=SimpleNamespace(rollout=rollout)))
    found = []
    for event in case.inputs.take("events"):
        assert set(event) == {"step", "clip_ratio"}, f"{case.name}: {sorted(event)}"
        step, share = event["step"], event["clip_ratio"]
        before = state.phases.phase
        state.observe(heard(step, share))
        if state.phases.phase != before:
            limit = state.plan(step).max_new_tokens
            found.append({"step": step, "stage": state.phases.phase, "max_response_length": limit})
    case.check("transitions", found)
    case.check("final_stage", state.phases.phase)
