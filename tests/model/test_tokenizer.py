"""The tokenizers made in code: what goes in comes out, and transformers reads what is saved."""

import pytest
from transformers import AutoTokenizer

from etude.errors import ModelError
from etude.model.tokenizer import CHARACTERS, VOCABULARY, make_tokenizer


@pytest.mark.parametrize("alphabet", ["characters", "bytes"])
def test_sizes_are_those_published_and_every_token_has_its_own_number(alphabet):
    tokenizer = make_tokenizer(alphabet, 64)
    assert len(tokenizer) == VOCABULARY[alphabet]
    assert len({tokenizer.pad_token_id, tokenizer.bos_token_id, tokenizer.eos_token_id}) == 3


def test_bytes_bring_back_any_text():
    tokenizer = make_tokenizer("bytes", 64)
    text = "  12 + 30\t= 42\r\n\x00 é 答案 😀 <b>  "
    tokens = tokenizer.encode(text, add_special_tokens=False)
    assert len(tokens) == len(text.encode())
    assert tokenizer.decode(tokens, skip_special_tokens=True) == text


def test_characters_bring_back_ascii_and_mark_the_rest_as_unknown():
    tokenizer = make_tokenizer("characters", 64)
    tokens = tokenizer.encode(CHARACTERS, add_special_tokens=False)
    assert len(tokens) == len(CHARACTERS)
    assert tokenizer.decode(tokens) == CHARACTERS
    assert tokenizer.encode("é")[0] == tokenizer.unk_token_id
    assert tokenizer.decode(tokenizer.encode("a é 1"), skip_special_tokens=True) == "a  1"


@pytest.mark.parametrize("alphabet", ["characters", "bytes"])
def test_a_saved_tokenizer_is_the_same_when_transformers_loads_it(alphabet, tmp_path):
    tokenizer = make_tokenizer(alphabet, 64)
    tokenizer.save_pretrained(tmp_path)
    again = AutoTokenizer.from_pretrained(tmp_path)
    text = "Add 1 and 2.\n"
    assert again.encode(text) == tokenizer.encode(text)
    messages = [{"role": "system", "content": "s"}, {"role": "user", "content": "u"}]
    chat = {"add_generation_prompt": True, "tokenize": False}
    assert (
        again.apply_chat_template(messages, **chat) == "<|begin|><|system|>s<|user|>u<|assistant|>"
    )
    assert again.eos_token_id == tokenizer.eos_token_id


def test_an_unknown_alphabet_is_refused():
    with pytest.raises(ModelError, match=r"'runes'.*characters, bytes.*model\.tokenizer="):
        make_tokenizer("runes", 64)
