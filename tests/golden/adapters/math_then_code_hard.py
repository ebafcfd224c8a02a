"""Which problems are hard and still solved: by the band of pass rates that a recipe's mix takes."""

from __future__ import annotations

from typing import Any

import numpy as np

from etude.data_mix.filter.band import Band

METHOD = "math_then_code"
CONFIG = {"kind", "min_exclusive", "max_inclusive"}
INPUTS = {"pass_rate"}


def run(case: Any) -> None:
    case.config.choose("kind", {"difficulty_filter": None})
    # The band has its ends in it: the least number above one that is not is the next float.
    low = float(np.nextafter(case.config.take("min_exclusive"), np.inf))
    band = Band(column="pass_rate", low=low, high=case.config.take("max_inclusive"))
    found = band.choose({"pass_rate": case.inputs.take("pass_rate")})
    case.check("keep", [bool(each) for each in found.kept])
