"""A conversation gone on with: what is told stands as the template writes it, to the token."""

from __future__ import annotations

import pytest
from test_wording import QWEN, WHOLE, shape

from etude.rows import Example, Message

ASKED = Example("a:1", "a", "two and two?")
TOLD = "are you sure?"


def whole(wording, told: str = TOLD) -> tuple[int, ...]:
    """Return the tokens of a conversation of two turns as the template writes it at once."""
    said = [Message("user", ASKED.prompt), Message("assistant", "four"), Message("user", told)]
    return wording.encode_prompt("", None, said)


@pytest.mark.parametrize("name", WHOLE)
def test_prompt_answer_and_what_is_told_are_the_templates_own_conversation(name: str) -> None:
    wording, _ = shape(name)
    prompt = wording.encode_prompt(ASKED.prompt)
    answer = wording.encode_response("four", ASKED)
    told = wording.encode_message(TOLD, "user", ASKED, after=answer)
    assert (*prompt, *answer, *told) == whole(wording)


@pytest.mark.parametrize("name", WHOLE)
def test_an_answer_that_was_cut_off_is_closed_first(name: str) -> None:
    wording, _ = shape(name)
    prompt = wording.encode_prompt(ASKED.prompt)
    cut = wording.encode_text("four", ASKED)
    told = wording.encode_message(TOLD, "user", ASKED, after=cut)
    assert (*prompt, *cut, *told) == whole(wording)


def test_control_tokens_in_what_is_told_are_text() -> None:
    wording, tokenizer = shape("qwen2.5")
    answer = wording.encode_response("four", ASKED)
    spelled = wording.encode_message(f"a {QWEN[2]} b", "user", ASKED, after=answer)
    end = tokenizer.convert_tokens_to_ids(QWEN[2])
    plain = wording.encode_message("a x b", "user", ASKED, after=answer)
    assert spelled.count(end) == plain.count(end)
    assert tokenizer.decode(spelled).count(f"a {QWEN[2]} b") == 1
