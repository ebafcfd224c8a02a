"""Packing demonstrations into sequences."""

from __future__ import annotations

from typing import Any

from etude.learner.packing import TokenRow
from packed_lines import pack

METHOD = "sft"
CONFIG = {"kind", "strategy"}
INPUTS = {"input_ids"}


def run(case: Any) -> None:
    assert case.config.take("kind") == "packing"
    rows = [TokenRow(tokens, [1] * len(tokens)) for tokens in case.inputs.take("input_ids")]
    packed = pack(rows, case.config.take("strategy"), case.config.take("seq_length"))
    case.check("input_ids", [row.tokens for row in packed])
    case.check_if_given("seq_lengths", [row.seq_lengths for row in packed])
    case.check_if_given("position_ids", [row.position_ids for row in packed])
