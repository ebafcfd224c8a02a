"""How alike the entropies of two answers are."""

from __future__ import annotations

import math
from typing import Any

from etude.evaluation.detectors import DIRECTIONS, alike

METHOD = "contamination"
CONFIG = {"method", "direction"}
INPUTS = {"items"}


def run(case: Any) -> None:
    name = case.config.choose("method", {"self_critique": "self_critique"})
    assert DIRECTIONS[name] == case.config.take("direction")
    found = [alike(item["first"], item["critique"]) for item in case.inputs.take("items")]
    case.check("scores", ["nan" if math.isnan(each) else each for each in found])
