"""An evaluation of the loss of demonstrations is refused where held-out rows have none."""

from __future__ import annotations

import pytest

from etude.config.prepare import prepare
from etude.errors import ConfigError

SOLUTION = "data_mix.response_template='\"{solution}\"'"


def faults(*words: str) -> list[tuple[str, str]]:
    try:
        prepare(["recipe=rl", *words])
    except ConfigError as error:
        return [(fault.typed, fault.message) for fault in error.faults]
    return []


@pytest.mark.parametrize("chosen", ["evaluation=loss", "evaluations.held.evaluation=loss"])
def test_prompts_alone_have_no_loss(chosen: str) -> None:
    [(typed, message)] = faults(chosen)
    assert typed == "data_mix.response_template" and SOLUTION in message
    assert faults(chosen, "data_mix.response_template='{solution}'") == []


def test_rows_under_a_template_of_their_own_have_no_loss() -> None:
    words = ("data_mix.response_template='{solution}'", "data_mix.held_out_template='{prompt}?'")
    [(typed, message)] = faults("evaluation=loss", *words)
    assert typed == "data_mix.held_out_template" and "data_mix.held_out_template=null" in message
