"""Conversations become one row a turn, and turns whose call failed are no demonstrations."""

from __future__ import annotations

import json

import pytest
import torch

from etude.data_mix.filter.failed_turns import FailedTurns, bare
from etude.data_mix.form import Form
from etude.data_mix.mix import Mix
from etude.data_mix.share import Share
from etude.errors import DataError, ModelError
from etude.model.scratch import Scratch
from etude.rows import Candidate, Example, Message, Outcome
from etude.sources.arithmetic_tools import ArithmeticTools
from etude.sources.trajectories import Trajectories
from etude.sources.turns import Conversations, TurnRows
from etude.verifier.tool_call import ToolCall


def said(role, content):
    return {"role": role, "content": content}


TOOLS = [{"name": "find", "parameters": {"properties": {"text": {}}}}]
TALK = [
    said("system", json.dumps(TOOLS)),
    said("user", "q"),
    said("assistant", "find(a = '1')"),
    said("function", "unexpected keyword a"),
    said("assistant", "find(text = '1')"),
    said("function", "42"),
    said("assistant", "It is 42."),
]


def turns(*messages, **columns):
    return list(TurnRows(Conversations([{"id": "t", "messages": list(messages), **columns}]), "x"))


def test_every_turn_of_the_assistant_is_a_row_with_what_was_said_before_it():
    first, second, third = turns(*TALK)
    assert [row["id"] for row in (first, second, third)] == ["t/1", "t/2", "t/3"]
    assert second["solution"] == second["answer"] == "find(text = '1')"
    assert second["system"] == TALK[0]["content"]
    assert [each["role"] for each in second["messages"]] == ["user", "assistant", "tool"]
    assert second["messages"][0] == said("user", "q")
    assert (second["reply_role"], second["reply"]) == ("function", "42")
    assert (third["reply_role"], third["reply"]) == (None, None)
    assert first["tools"] == TOOLS
    assert second["prompt"].startswith("user: q\nassistant: find(a")


def test_a_column_of_tools_goes_before_the_system_message_and_words_list_none():
    assert turns(*TALK, tools=["open"])[0]["tools"] == ["open"]
    assert turns(said("system", "Be brief."), *TALK[1:])[0]["tools"] == []
    assert turns(*TALK[1:])[0]["system"] is None


def test_a_first_message_of_the_assistant_answers_nobody():
    rows = turns(said("assistant", "Hello"), said("user", "q"), said("assistant", "a"))
    assert [row["solution"] for row in rows] == ["a"]
    assert rows[0]["turn"] == 2


def test_conversations_without_turns_or_in_another_form_are_refused():
    with pytest.raises(DataError, match="role assistant"):
        turns(said("user", "q"))
    with pytest.raises(DataError, match="list of mappings with role and content"):
        turns("hello")


def filtered(*rows):
    columns = {"reply_role": [role for role, _ in rows], "reply": [text for _, text in rows]}
    return FailedTurns().choose(columns)


def test_a_turn_goes_when_its_reply_shows_an_error_or_is_none():
    found = filtered(
        ("function", "42"),
        ("tool", "x IS NOT DEFINED"),
        ("function", '{"error": "", "response": "fine"}'),
        ("user", "go on"),
        ("function", "400   client-error"),
        (None, None),
    )
    assert found.kept.tolist() == [True, False, False, False, False, True]
    assert found.findings == {"dropped": pytest.approx(4 / 6)}


def test_texts_are_compared_as_letters_digits_and_chinese_characters():
    assert bare("A-b 1^2 错误, É!") == "ab1^2错误"


def mix(**changes):
    given = {
        "train": {"arithmetic_tools": Share()},
        "held_out": {"arithmetic_tools": Share()},
        "filter": {"failed_turns": FailedTurns()},
        "response_template": "{solution}",
    }
    return Mix(**{**given, **changes})


def test_generated_tool_use_has_right_calls_and_failed_ones_are_context_only():
    stream = mix().stream({"arithmetic_tools": ArithmeticTools(train_size=60, test_size=30)}, 1)
    verifier = ToolCall()
    dropped = stream.findings.filtered["data/arithmetic_tools/dropped"]
    assert 0.05 < dropped < 0.25
    failed = 0
    for example in stream.next(stream.size):
        judged = Candidate(example.id, 0, "", example.response, example.columns)
        assert verifier.judge(judged).outcome is Outcome.CORRECT
        said_before = " ".join(message.content for message in example.messages)
        failed += "error" in said_before or "is not defined" in said_before
        assert "error" not in (example.columns["reply"] or "")
    assert failed > 10
    held_out = stream.held_out()
    assert all("error" not in example.prompt for example in held_out)
    trained = {example.id.split("/")[0] for example in stream.next(stream.size)}
    assert not trained & {example.id.split("/")[0] for example in held_out}


def test_conversations_in_a_file_are_rows_of_turns(tmp_path):
    rows = [{"id": "a", "conversations": TALK}, {"id": "b", "conversations": TALK[:5]}]
    (tmp_path / "train.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    source = Trajectories(path=str(tmp_path))
    found = source.rows("train", 0, key="trajectories")
    assert list(found.column("id")) == ["a/1", "a/2", "a/3", "b/1", "b/2"]
    assert found.column("reply", [0, 4]) == ["unexpected keyword a", None]
    with pytest.raises(DataError, match="has no column 'critique'"):
        found.column("critique")
    stream = mix(train={"trajectories": Share()}, held_out={}).stream({"trajectories": source}, 1)
    assert {example.id.split(":")[1] for example in stream.next(4)} == {"a/2", "a/3", "b/2"}


def test_a_conversation_reaches_the_model_through_the_chat_template():
    scratch = Scratch(hidden_size=16, layers=1, heads=2, kv_heads=1, intermediate_size=16)
    policy = scratch.create(0, torch.device("cpu"))
    messages = (Message("user", "1+1"), Message("assistant", "add"), Message("tool", "2"))
    example = Example("x", "x", "what a person reads", system="Be brief.", messages=messages)
    text = policy.tokenizer.decode(policy.encode_example(example))
    assert text == (
        "<|begin|><|system|>Be brief.<|user|>1+1<|assistant|>add<|end|><|tool|>2<|assistant|>"
    )
    plain = Example("x", "x", "1+1")
    assert policy.encode_example(plain) == policy.encode_prompt("1+1")
    policy.tokenizer.chat_template = None
    with pytest.raises(ModelError, match=r"a conversation of 3 messages.*model\.chat_template"):
        policy.encode_prompt("x", messages=messages)


def test_the_chat_template_is_told_of_the_tools_of_a_row_where_it_is_to_be():
    schema = {"type": "function", "function": {"name": "add", "parameters": {}}}
    row = {"id": "1", "prompt": "2+3", "solution": "add(a = '2')", "tools": json.dumps([schema])}
    told, plain = (Form("{prompt}", None, None, tools=on).of_row("s", row) for on in (True, False))
    assert told.tools == (schema,) and plain.tools == ()
    policy = Scratch(hidden_size=8, layers=1, heads=1, kv_heads=1, intermediate_size=8).create(
        1, torch.device("cpu")
    )
    policy.tokenizer.chat_template = (
        "{% for t in tools or [] %}tool {{ t.function.name }}\n{% endfor %}"
        "{% for m in messages %}{{ m.role }}: {{ m.content }}\n{% endfor %}"
    )
    assert policy.rendered(policy.encode_example(told)) == "tool add\nuser: 2+3\n"
    assert policy.rendered(policy.encode_example(plain)) == "user: 2+3\n"
    with pytest.raises(DataError, match=r"data_mix\.tools=false"):
        Form("{prompt}", None, None, tools=True).of_row("s", {**row, "tools": [{"name": "add"}]})
