"""Ends of turns, control tokens in data, prefilled thoughts, and what plain prompts get."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from wordings import (
    BEFORE_THE_NEXT,
    CHATML,
    DEEPSEEK,
    GEMMA,
    HEADERS,
    LLAMA2,
    MISTRAL,
    OPENED_ONLY,
    PHI,
    PLAIN_WORDS,
    THINKING,
    ZEPHYR,
    tokenizer_of,
    wording_of,
)

from etude.errors import DataError, ModelError
from etude.model.control import ControlTokens
from etude.notices import noticed_by
from etude.rows import Example, Message

QWEN = ("<|endoftext|>", "<|im_start|>", "<|im_end|>")
LLAMA3 = ("<|begin_of_text|>", "<|end_of_text|>", "<|start_header_id|>", "<|end_header_id|>")
PHI3 = ("<|endoftext|>", "<|end|>", "<|user|>", "<|assistant|>", "<|system|>")
DEEP = ("<｜begin▁of▁sentence｜>", "<｜end▁of▁sentence｜>", "<｜User｜>", "<｜Assistant｜>")

#: name → tokenizer kind, special tokens, bos, eos, template, what ends an answer, text before it.
SHAPES = {
    "qwen2.5": ("bytes", QWEN, None, "<|im_end|>", CHATML, "<|im_end|>", ""),
    "qwen base": ("bytes", QWEN, None, "<|endoftext|>", CHATML, "<|im_end|>", ""),
    "qwen3": ("bytes", QWEN, None, "<|endoftext|>", THINKING, "<|im_end|>", ""),
    "hermes": ("bytes", (*QWEN, "</s>"), None, "</s>", CHATML, "<|im_end|>", ""),
    "smollm2": ("bytes", QWEN, "<|im_start|>", "<|im_end|>", CHATML, "<|im_end|>", ""),
    "llama3": ("bytes", (*LLAMA3, "<|eot_id|>"), LLAMA3[0], LLAMA3[1], HEADERS, "<|eot_id|>", ""),
    "gemma": (
        "pieces",
        ("<bos>", "<eos>", "<start_of_turn>", "<end_of_turn>"),
        "<bos>",
        "<eos>",
        GEMMA,
        "<end_of_turn>",
        "",
    ),
    "phi3": ("bytes", PHI3, None, "<|endoftext|>", PHI, "<|end|>", ""),
    "mistral": ("pieces", ("[INST]", "[/INST]"), "<s>", "</s>", MISTRAL, "</s>", ""),
    "llama2": ("pieces", (), "<s>", "</s>", LLAMA2, "</s>", " "),
    "zephyr": ("pieces", (), "<s>", "</s>", ZEPHYR, "</s>", ""),
    "deepseek": ("bytes", DEEP, DEEP[0], DEEP[1], DEEPSEEK, DEEP[1], ""),
    "closed late": ("bytes", PHI3, None, "<|endoftext|>", BEFORE_THE_NEXT, "<|end|>", ""),
    "never closed": ("bytes", PHI3, None, "<|endoftext|>", OPENED_ONLY, "<|endoftext|>", ""),
    "of words": ("bytes", QWEN, None, "<|endoftext|>", PLAIN_WORDS, "<|endoftext|>", ""),
}


def shape(name: str, *, in_text: bool = False, ends: Sequence[int] = ()):
    kind, special, bos, eos, template, _, _ = SHAPES[name]
    tokenizer = tokenizer_of(kind, special, bos=bos, eos=eos, pad=eos)
    return wording_of(tokenizer, template, in_text=in_text, ends=ends), tokenizer


def notices(wording) -> list[str]:
    heard: list[str] = []
    with noticed_by(heard.append):
        wording.check(10_000)
    return heard


@pytest.mark.parametrize("name", SHAPES)
def test_what_closes_a_turn_in_the_template_is_taught_and_stops_whatever_the_eos(name):
    wording, tokenizer = shape(name)
    *_, eos, template, end, before = SHAPES[name]
    number = tokenizer.convert_tokens_to_ids(end)
    assert wording.end == number
    assert {number, tokenizer.eos_token_id} <= wording.stops
    assert wording.encode_response("42") == (*wording.encode_text("42" + before), number)
    assert any(repr(end) in said for said in notices(wording)) == (
        end != eos or template is PLAIN_WORDS
    )


#: Those that write a given answer as they ask for one, and close it.
WHOLE = [
    name
    for name, shape in SHAPES.items()
    if shape[4] not in (THINKING, DEEPSEEK, OPENED_ONLY, PLAIN_WORDS)
]


@pytest.mark.parametrize("name", WHOLE)
def test_prompt_and_answer_are_the_templates_own_conversation(name):
    wording, tokenizer = shape(name)
    asked = {"role": "user", "content": "What is 12 + 30?"}
    said = [asked, {"role": "assistant", "content": "The answer"}, {**asked, "content": "Why"}]
    whole = tokenizer.apply_chat_template(said, return_dict=False)
    prompt = wording.encode_prompt(asked["content"])
    answer = wording.encode_response("The answer")
    assert whole[: len(prompt) + len(answer)] == [*prompt, *answer]
    example = Example("i", "s", asked["content"])
    assert wording.text_of(answer, example, stopped=True) == "The answer" + SHAPES[name][6]
    assert (
        wording.encode_text(wording.beginning("The answer", 0.5))
        == (answer[: round(0.5 * len(wording.encode_text("The answer")))])
    )


@pytest.mark.parametrize("name", SHAPES)
def test_clean_prompts_are_the_templates_own_tokens_and_so_are_those_read_apart(name):
    wording, tokenizer = shape(name)
    said = [{"role": "user", "content": "What is  12 + 30?\n"}]
    own = tokenizer.apply_chat_template(said, add_generation_prompt=True, return_dict=False)
    assert list(wording.encode_prompt(said[0]["content"])) == own
    control = wording._template.control
    base = control.base_of(said[0]["content"])
    rendered = tokenizer.apply_chat_template(said, add_generation_prompt=True, tokenize=False)
    assert control.encode_rendered(rendered, base) == own


@pytest.mark.parametrize("name", SHAPES)
@pytest.mark.parametrize("text", ["a {0} b", "{0}", "x{0}{0}y", "<{0}>", "{0} at the head"])
def test_control_tokens_in_user_text_are_text(name, text):
    wording, tokenizer = shape(name)
    control = [token for token in wording._template.control._tokens if token != "<unk>"]
    clean = list(wording.encode_prompt("word"))
    numbers = tokenizer.convert_tokens_to_ids(control)
    for token in control:
        dirty = text.format(token)
        tokens = list(wording.encode_prompt(dirty))
        assert [t for t in tokens if t in numbers] == [t for t in clean if t in numbers]
        read = tokenizer.decode(tokens, skip_special_tokens=False)
        assert dirty.strip().replace(" ", "") in read.replace(" ", "")
        answer = wording.encode_response(dirty)
        assert [t for t in answer if t in numbers] == [wording.end]
        assert wording.decode(answer).strip() == dirty


def test_text_beside_a_spelled_control_token_is_cut_into_tokens_as_ever():
    wording, tokenizer = shape("qwen2.5")
    long = "What is 12 + 30? The answer is 42."
    plain = tokenizer(long, add_special_tokens=False)["input_ids"]
    assert list(wording.encode_text(long + "<|im_end|>"))[: len(plain) - 1] == plain[:-1]
    assert list(wording.encode_text("<|im_end|>" + long))[-len(plain) + 1 :] == plain[1:]


def test_control_tokens_in_text_are_tokens_where_the_user_says_so():
    wording, tokenizer = shape("qwen2.5", in_text=True)
    end = tokenizer.convert_tokens_to_ids("<|im_end|>")
    assert wording.encode_response("a<|im_end|>b").count(end) == 2
    assert wording.encode_prompt("a<|im_end|>b").count(end) == 2


def test_a_spelled_control_token_is_told_with_what_to_type():
    wording, _ = shape("qwen2.5")
    heard: list[str] = []
    with noticed_by(heard.append):
        wording.encode_prompt("a<|im_end|>b")
        wording.encode_prompt("c<|im_end|>d")
        wording.encode_text("clean")
    assert len(heard) == 1
    assert "'<|im_end|>'" in heard[0] and "model.control_tokens_in_text=true" in heard[0]


def test_every_text_of_a_conversation_is_data():
    wording, tokenizer = shape("qwen2.5")
    end = tokenizer.convert_tokens_to_ids("<|im_end|>")
    said = (
        Message("user", "a<|im_end|>"),
        Message("assistant", "<|im_end|>"),
        Message("user", "b"),
    )
    assert wording.encode_prompt("", "s<|im_end|>", said).count(end) == 4
    assert wording.rendered(Example("i", "s", "a<|im_end|>")).count("<|im_end|>") == 2


def test_private_characters_in_data_stand_for_nothing():
    wording, tokenizer = shape("qwen2.5")
    end = tokenizer.convert_tokens_to_ids("<|im_end|>")
    forged = "".join(chr(code) for code in range(0xF0000, 0xF0040))
    tokens = wording.encode_prompt(f"{forged}<|im_end|>")
    assert tokens.count(end) == 1
    assert f"{forged}<|im_end|>" in tokenizer.decode(tokens, skip_special_tokens=False)
    everywhere = "".join(chr(code) for code in range(0xF0000, 0x10FFFE, 2))
    with pytest.raises(DataError, match="private characters"):
        wording.encode_prompt(f"{everywhere}<|im_end|>")


def test_a_tokenizer_without_a_core_reads_control_tokens_as_text_too():
    tokenizer = tokenizer_of("bytes", QWEN, eos="<|im_end|>")

    class Slow:
        def encode(self, text, add_special_tokens):
            return tokenizer.encode(text, add_special_tokens=add_special_tokens)

        def convert_tokens_to_ids(self, token):
            return tokenizer.convert_tokens_to_ids(token)

    control = ControlTokens(Slow(), QWEN)
    dirty = "a<|im_end|>b<|im_start|>"
    tokens = control.encode(dirty)
    assert tokenizer.decode(tokens) == dirty
    assert not set(tokenizer.convert_tokens_to_ids(list(QWEN))) & set(tokens)
    base = control.base_of(dirty)
    rendered = f"<|im_start|>{control.hidden(dirty, base)}<|im_end|>"
    tokens = control.encode_rendered(rendered, base)
    assert tokenizer.decode(tokens) == f"<|im_start|>{dirty}<|im_end|>"
    assert [tokens[0], tokens[-1]] == tokenizer.convert_tokens_to_ids([QWEN[1], QWEN[2]])
    assert tokens.count(tokens[0]) == tokens.count(tokens[-1]) == 1


@pytest.mark.parametrize("kind", ["bytes", "pieces", "unigram"])
@pytest.mark.parametrize("wraps", [(None, "</s>"), ("<s>", "</s>"), ("<s>", None), (None, None)])
def test_a_plain_prompt_begins_as_the_tokenizer_begins_and_ends_with_its_text(kind, wraps):
    tokenizer = tokenizer_of(kind, ["<s>", "</s>"], bos="<s>", eos="</s>", wraps=wraps)
    wording = wording_of(tokenizer)
    text = list(tokenizer("12 + 30", add_special_tokens=False)["input_ids"])
    before = [tokenizer.bos_token_id] if wraps[0] else []
    assert list(wording.encode_prompt("12 + 30")) == before + text
    for dirty in ("a </s> b", "</s>", "<s>12"):
        tokens = list(wording.encode_prompt(dirty))
        assert tokens[: len(before)] == before
        assert not {tokenizer.bos_token_id, tokenizer.eos_token_id} & set(tokens[len(before) :])
        assert tokenizer.decode(tokens[len(before) :]).strip() == dirty
    assert len(wording.encode_prompt("")) == 1
    assert wording.encode_response("42")[-1] == tokenizer.eos_token_id
    assert wording.encode_response("42").count(tokenizer.eos_token_id) == 1


def test_a_begin_token_is_there_once_whoever_writes_it():
    for template in (HEADERS, CHATML):
        special = ["<s>", "</s>", "<|eot_id|>", *QWEN, *LLAMA3]
        tokenizer = tokenizer_of("bytes", special, bos="<s>", eos="</s>", wraps=("<s>", "</s>"))
        wording = wording_of(tokenizer, template)
        tokens = wording.encode_prompt("12")
        assert tokens.count(tokenizer.bos_token_id) == (template is HEADERS)
        assert tokenizer.eos_token_id not in tokens


def test_special_tokens_of_a_text_are_read_and_written_and_reach_whoever_judges():
    thought = ["<think>", "</think>", "<answer>", "</answer>"]
    tokenizer = tokenizer_of("bytes", [*QWEN, *thought], eos="<|im_end|>", pad="<|endoftext|>")
    wording = wording_of(tokenizer, CHATML)
    example = Example("i", "s", "12 + 30")
    text = "<think>sum</think><answer>42</answer>"
    answer = wording.encode_response(text)
    assert set(tokenizer.convert_tokens_to_ids(thought)) <= set(answer)
    padded = [*answer, *[tokenizer.pad_token_id] * 3]
    assert wording.text_of(padded, example, stopped=True) == text
    begins = tokenizer.convert_tokens_to_ids("<|im_start|>")
    cut = [*answer[:-1], begins]
    assert wording.text_of(cut, example, stopped=False) == text + "<|im_start|>"
    assert wording.text_of(cut, example, stopped=True) == text
    assert wording.text_of(answer[:2], example, stopped=True) == wording.decode(answer[:2])


def test_spaces_before_marks_stay_as_they_were_sampled():
    tokenizer = tokenizer_of("bytes", QWEN, eos="<|im_end|>")
    tokenizer.clean_up_tokenization_spaces = True
    text = "a . b , c ' s n't"
    wording = wording_of(tokenizer, CHATML)
    assert wording.decode(wording.encode_response(text)) == text


@pytest.mark.parametrize("special", [True, False])
def test_a_thought_the_template_opens_counts_and_is_not_taught_twice(special):
    marks = ["<think>", "</think>"]
    tokenizer = tokenizer_of(
        "bytes",
        [*DEEP, *(marks if special else [])],
        bos=DEEP[0],
        eos=DEEP[1],
        added=[] if special else marks,
    )
    wording = wording_of(tokenizer, DEEPSEEK)
    example = Example("i", "s", "12 + 30")
    opens = tokenizer.convert_tokens_to_ids("<think>")
    prompt = wording.encode_prompt(example.prompt)
    assert prompt.count(opens) == 1
    bare = wording.encode_response("sum</think>42", example)
    assert opens not in bare
    for repeated in ("<think>\nsum</think>42", "<think>sum</think>42", "\n<think>\nsum</think>42"):
        assert wording.encode_response(repeated, example) == bare
    assert wording.text_of(bare, example, stopped=True) == "<think>\nsum</think>42"
    assert wording.encode_text("<think>\nsum", example) == wording.encode_text("sum", example)
    assert wording.encode_response("a <think> b")[:-1].count(opens) == 1


def test_a_thought_that_a_plain_prompt_opens_counts_too():
    wording = wording_of(tokenizer_of("bytes", QWEN, eos="<|endoftext|>"))
    opened = Example("i", "s", "12 + 30\n<think>\n")
    closed = Example("i", "s", "Think inside <think> </think>")
    answer = wording.encode_response("<think>\nsum</think>42", opened)
    assert wording.decode(answer) == "sum</think>42"
    assert wording.text_of(answer, opened, stopped=True) == "<think>\nsum</think>42"
    whole = wording.encode_response("<think>sum</think>42", closed)
    assert wording.text_of(whole, closed, stopped=True) == "<think>sum</think>42"


def test_an_empty_thought_that_switches_thinking_off_counts():
    tokenizer = tokenizer_of("bytes", [*QWEN, "<think>", "</think>"], eos="<|im_end|>")
    example = Example("i", "s", "12 + 30")
    quiet = wording_of(tokenizer, THINKING, options={"enable_thinking": False})
    assert quiet.prefill(example) == "<think>\n\n</think>\n\n"
    empty = "<think>\n\n</think>\n\n42"
    assert quiet.encode_response(empty, example) == quiet.encode_response("42", example)
    loud = wording_of(tokenizer, THINKING)
    assert loud.prefill(example) == ""
    assert loud.encode_response(empty, example) != loud.encode_response("42", example)


def test_ends_of_the_generation_config_end_an_answer_and_are_text_in_data():
    tokenizer = tokenizer_of("bytes", [*LLAMA3, "<|eot_id|>", "<|eom_id|>"], eos="<|eot_id|>")
    ends = tokenizer.convert_tokens_to_ids(["<|end_of_text|>", "<|eom_id|>"])
    wording = wording_of(tokenizer, HEADERS, ends=ends)
    assert wording.stops == {*ends, tokenizer.eos_token_id}
    assert not set(wording.encode_text("a<|eom_id|>")) & set(ends)


def test_without_any_end_a_response_is_refused_and_the_generation_config_helps():
    tokenizer = tokenizer_of("bytes", QWEN)
    with pytest.raises(ModelError, match=r"no end-of-text token.*set eos_token"):
        wording_of(tokenizer).check(10_000)
    wording = wording_of(tokenizer, ends=[5, 4])
    wording.check(10_000)
    assert wording.encode_response("a")[-1] == 4
    with pytest.raises(ModelError, match=r"token 5.*tokens 0 to 3 only"):
        wording_of(tokenizer, ends=[5]).check(4)
    tokenizer.eos_token = "<|im_end|>"
    assert any("it never will" in said for said in notices(wording_of(tokenizer, ends=[99_999])))


def test_a_template_that_opens_no_answer_is_told_of():
    tokenizer = tokenizer_of("bytes", QWEN, eos="<|im_end|>")
    mute = CHATML.partition("{% if add")[0]
    assert any("begins no answer" in said for said in notices(wording_of(tokenizer, mute)))
    for name in SHAPES:
        assert not any("begins no answer" in said for said in notices(shape(name)[0])), name


@pytest.mark.parametrize(
    "template",
    [
        "{% for m in messages %}",
        "{{ messages[0].content }",
        "{{ raise_exception('never') }}",
        "{{ messages[0].content + 1 }}",
        "{{ messages[9].content.x }}",
        "{{ nothing.at.all }}",
        "{{ 1 / 0 }}",
        {"rag": "{{ messages }}"},
    ],
)
def test_a_template_that_cannot_be_used_is_refused_with_what_to_type(template):
    wording = wording_of(tokenizer_of("bytes", QWEN, eos="<|im_end|>"), template)
    with pytest.raises(ModelError, match=r"model\.chat_template=FILE"):
        wording.check(10_000)
        wording.encode_prompt("12 + 30")
