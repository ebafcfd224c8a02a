"""A component that is built by itself is judged by its own values, not by a stage it is not in."""

from __future__ import annotations

import pytest

from etude.build import build
from etude.errors import ConfigError


def test_rules_about_the_stage_say_nothing_outside_of_one() -> None:
    assert build({"name": "standard", "hand_on": "best"}, "training").hand_on == "best"


def test_rules_about_a_components_own_values_hold_everywhere() -> None:
    node = {"name": "riskpo", "alpha": 0.9, "beta": 0.2}
    with pytest.raises(ConfigError) as caught:
        build(node, "objective/advantage")
    assert "alpha" in str(caught.value)
