"""Soft overlong punishment."""

from __future__ import annotations

from typing import Any

from etude.objective.shaping.soft_overlong import SoftOverlong

METHOD = "common_policy_gradient"
CONFIG = {"max_resp_len", "buffer_len"}
INPUTS = {"lengths"}


def run(case: Any) -> None:
    punishment = SoftOverlong(
        max_length=case.config.take("max_resp_len"),
        buffer_length=case.config.take("buffer_len"),
        factor=case.config.take("penalty_factor"),
    )
    lengths = case.inputs.take("lengths")
    case.check("penalty", punishment.penalty(lengths, width=max(lengths)))
