"""A gate's patience: rejections in a row, and the candidate after which the stage is over."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from etude.gating import Standing
from etude.rollout.gate.improvement import Improvement

METHOD = "gated_stages"
CONFIG = {"kind", "patience", "on_reject"}
INPUTS = {"initial", "candidate_scores"}


def run(case: Any) -> None:
    case.config.choose("kind", {"gate_patience": None})
    gate = Improvement(
        patience=case.config.take("patience"), on_reject=case.config.take("on_reject")
    )
    state = gate.open(SimpleNamespace(on_policy=False, copy=lambda role: None))
    assert state is not None
    state.standing = Standing(case.inputs.take("initial"))
    trace, over = [], None
    for step, score in enumerate(case.inputs.take("candidate_scores")):
        if over is not None:
            break
        accepted = state.decide(score, step)
        standing = state.standing
        trace.append(
            {
                "accepted": int(accepted),
                "best": standing.best,
                "rejections_in_a_row": standing.in_a_row,
            }
        )
        over = step if state.ended() else None
    case.check("trace", trace)
    case.check("stopped_after_candidate", over)
