"""Demonstrations of several turns: their tokens are the template's, and the model's own trained."""

from types import SimpleNamespace
from typing import Any

import pytest
from wordings import CHATML, tokenizer_of, wording_of

from etude.errors import DataError
from etude.model.taught_text import taught_tokens
from etude.model.tokenizer import make_tokenizer
from etude.rows import Example, Message

SAID = [("assistant", "calculate it"), ("tool", "408"), ("assistant", "The answer is 408")]


def policy_of(wording: Any) -> Any:
    return SimpleNamespace(wording=wording, encode_response=wording.encode_response)


def demonstration(*said: tuple[str, str]) -> Example:
    turns = tuple(Message(*each) for each in said)
    return Example("i", "s", "What is 12 + 30?", response="it", turns=turns)


def test_prompt_and_turns_are_the_templates_own_conversation() -> None:
    special = ["<|im_start|>", "<|im_end|>"]
    tokenizer = tokenizer_of("bytes", special, eos="<|im_end|>", pad="<|im_end|>")
    wording = wording_of(tokenizer, CHATML, ends=tokenizer.convert_tokens_to_ids(special[1:]))
    tokens, mask = taught_tokens(policy_of(wording), demonstration(*SAID))
    whole = [{"role": "user", "content": "What is 12 + 30?"}]
    whole += [{"role": role, "content": text} for role, text in SAID]
    expected = tokenizer.apply_chat_template(whole, return_dict=False)
    prompt = wording.encode_prompt("What is 12 + 30?")
    found = [*prompt, *tokens]
    assert expected[: len(found)] == found
    assert tokenizer.decode(expected[len(found) :]) == "\n"
    taught = [token for token, on in zip(tokens, mask, strict=True) if on]
    assert tokenizer.decode(taught) == "calculate it<|im_end|>The answer is 408<|im_end|>"


def test_without_a_template_each_turn_ends_and_what_is_told_is_its_text() -> None:
    tokenizer = make_tokenizer("characters", 64)
    tokenizer.chat_template = None
    wording = wording_of(tokenizer, ends=[tokenizer.eos_token_id])
    tokens, mask = taught_tokens(policy_of(wording), demonstration(*SAID))
    end = tokenizer.eos_token
    assert tokenizer.decode(tokens) == f"calculate it{end}408The answer is 408{end}"
    assert mask == [1] * 13 + [0] * 3 + [1] * 18
    plain = Example("i", "s", "", response="408")
    assert taught_tokens(policy_of(wording), plain)[1] == [1] * 4


@pytest.mark.parametrize("said", [SAID[1:], SAID[:2], [SAID[0], SAID[2]]])
def test_turns_that_are_no_conversation_are_refused(said: list[tuple[str, str]]) -> None:
    wording = wording_of(make_tokenizer("characters", 64))
    with pytest.raises(DataError, match="row i"):
        taught_tokens(policy_of(wording), demonstration(*said))
