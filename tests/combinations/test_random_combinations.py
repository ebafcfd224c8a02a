"""Whatever is combined trains, or is refused before it starts with where and what to type."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from drawing import Draw
from outcome import FAILED, outcome, told

from outside import BY_PATH, installation
from warm_commands import Place, Warm, left_over

pytestmark = pytest.mark.slow

#: How many are drawn; the first ones always, all of them by make test-long.
FEW, MANY = 20, 300


@pytest.mark.parametrize("number", range(MANY if os.environ.get("ETUDE_LONG") else FEW))
def test_a_combination_trains_or_is_refused_before_it_starts(
    warm_outside: Warm,
    outpost: Path,
    taught: str,
    number: int,
    tmp_path: Path,
    record_property: Any,
) -> None:
    place = Place(tmp_path, warm_outside)
    drawn = Draw(number, installation(outpost), BY_PATH, taught).made()
    started = place.start("train", *drawn.command)
    ended = started.end()
    found = outcome(ended, place.folder)
    record_property("combination", json.dumps([found, drawn.chosen]))
    assert found != FAILED, told(drawn, ended)
    assert not left_over(started.mark)
