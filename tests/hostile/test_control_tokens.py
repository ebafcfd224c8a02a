"""Control tokens spelled in prompts and answers: text unless it is said otherwise, and told."""

from __future__ import annotations

import pytest
from inputs import Hostile, check, sampled

from warm_commands import ROLLOUTS, ROWS, Place, small

SAID = "model.control_tokens_in_text=true"


def taught(name: str, *words: str, spells: str) -> Hostile:
    """Two steps of imitation, and an evaluation, on rows that spell a control token."""
    asked = ["recipe=sft", *small(*ROLLOUTS), "training.steps=2", *words]
    says = [f"the data spells the control token '{spells}'", SAID]
    return Hostile(name, asked, says, code=0, seconds=90.0)


def sampled_from(name: str, *words: str, spells: str) -> Hostile:
    """One step of reinforcement on prompts that spell a control token."""
    asked = ["recipe=rl", *small(ROWS), "training.steps=1", *words]
    says = [f"the data spells the control token '{spells}'", SAID]
    return Hostile(name, asked, says, code=0, seconds=90.0)


CONTROL = [
    taught(
        "an end inside every answer",
        "data_mix.response_template='<|end|>{solution}'",
        spells="<|end|>",
    ),
    taught(
        "a turn inside every answer",
        "data_mix.response_template='{solution}<|user|>more'",
        spells="<|user|>",
    ),
    taught("padding as an answer", "data_mix.response_template='<|pad|><|pad|>'", spells="<|pad|>"),
    taught(
        "a turn inside every prompt",
        "sources.arithmetic.prompt_format='<|assistant|>{problem}'",
        spells="<|assistant|>",
    ),
    taught("a turn in the system text", "data_mix.system='a<|user|>b'", spells="<|user|>"),
    sampled_from(
        "prompts that end themselves",
        "sources.arithmetic.prompt_format='{problem}<|end|>'",
        spells="<|end|>",
    ),
    sampled_from("a beginning again", "data_mix.system='<|begin|>'", spells="<|begin|>"),
]


@pytest.mark.slow
@pytest.mark.parametrize("hostile", sampled(CONTROL, 2))
def test_text_that_spells_a_control_token_is_text_and_said(hostile: Hostile, here: Place) -> None:
    check(hostile, here)


def test_a_clean_run_says_nothing_of_control_tokens(here: Place) -> None:
    ended = here.train("recipe=sft", *small(*ROLLOUTS), "training.steps=1")
    assert ended.code == 0, ended.said
    assert "control token" not in ended.said
