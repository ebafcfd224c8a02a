"""Rows of messages: the assistant's last turn is taught, nothing of a message is lost unsaid."""

from __future__ import annotations

import json

import pytest

from etude.data_mix.mix import Mix
from etude.data_mix.share import Share
from etude.errors import DataError
from etude.sources.dataset import Dataset

CHAT = {"messages": "messages|conversations", "answer": None}


def said(role, content, **more):
    return {"role": role, "content": content, **more}


ASKED = [said("user", "1+1?"), said("assistant", "2")]


def rows(tmp_path, *given, **options):
    path = tmp_path / "rows.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in given), "utf-8")
    return Dataset(path=str(path), **{"columns": CHAT, **options}).rows("train", 0, key="mine")


def row(tmp_path, *messages, **options):
    return rows(tmp_path, {"messages": list(messages)}, **options)[0]


def test_the_last_answer_is_the_solution_and_what_stands_before_it_the_prompt(tmp_path):
    found = row(tmp_path, said("system", "Be brief."), *ASKED)
    assert (found["system"], found["prompt"], found["solution"]) == ("Be brief.", "1+1?", "2")
    assert found["messages"] == []


def test_longer_conversations_stay_messages(tmp_path):
    found = row(tmp_path, *ASKED, said("user", "And 2+2?"), said("assistant", "4"))
    assert found["solution"] == "4"
    assert found["messages"] == [*ASKED, said("user", "And 2+2?")]
    assert found["prompt"] == "user: 1+1?\nassistant: 2\nuser: And 2+2?"
    assert found["system"] is None


def test_a_conversation_that_ends_with_the_user_is_a_problem(tmp_path):
    found = rows(
        tmp_path,
        {"messages": ASKED[:1], "gold": {"truth": 2}},
        columns={"messages": "messages", "answer": "gold.truth"},
    )[0]
    assert (found["prompt"], found["answer"], found["solution"]) == ("1+1?", "2", None)


def test_sharegpt_names_are_read(tmp_path):
    talk = [{"from": "human", "value": "q"}, {"from": "gpt", "value": "a"}]
    found = rows(tmp_path, {"conversations": talk})[0]
    assert (found["prompt"], found["solution"]) == ("q", "a")


def test_prompt_and_target_may_be_message_lists_of_their_own(tmp_path):
    given = {
        "prompt": [said("system", "Think."), said("user", "q")],
        "target": [said("assistant", "<think>t</think> a")],
        "reward_model": {"ground_truth": "7"},
    }
    columns = {
        "messages": "prompt",
        "solution": "target.0.content",
        "answer": "reward_model.ground_truth",
    }
    found = rows(tmp_path, given, columns=columns)[0]
    assert {name: found[name] for name in ("system", "prompt", "solution", "answer")} == {
        "system": "Think.",
        "prompt": "q",
        "solution": "<think>t</think> a",
        "answer": "7",
    }


def test_parts_that_are_text_stand_one_after_the_other(tmp_path):
    parts = [{"type": "text", "text": "1+"}, {"type": "text", "text": "1?"}]
    assert row(tmp_path, said("user", parts), ASKED[1])["prompt"] == "1+1?"


CALL = [{"type": "function", "function": {"name": "f", "arguments": "{}"}}]


@pytest.mark.parametrize(
    ("messages", "says"),
    [
        ([], "has no messages"),
        (None, "has no messages"),
        ("hello", "is a list of messages (role and content), not text"),
        (["hello"], "it holds in message 1 text"),
        ([{"role": "user"}], "it holds in message 1 role"),
        ([{"role": "user", "text": "q"}], "it holds in message 1 role, text"),
        ([said("user", None), ASKED[1]], "message 1 content that is null"),
        ([said("user", 5), ASKED[1]], "message 1 content that is the number 5"),
        ([said("user", {"a": 1}), ASKED[1]], "message 1 content that is a mapping"),
        ([said("user", [{"type": "image_url", "image_url": "x"}])], "a part that is no text"),
        ([ASKED[0], said("assistant", "", tool_calls=CALL)], "message 2 'tool_calls'"),
        ([ASKED[0], said("assistant", "2", reasoning_content="1 and 1")], "'reasoning_content'"),
        ([said("user", "q", weight=1), ASKED[1]], "mine.message_keys_left_out='[weight]'"),
        ([said("bot", "q"), ASKED[1]], "role 'bot'"),
        ([said(7, "q")], "a role that is the number 7"),
        ([ASKED[0], said("assistant", " ")], "ends with an empty answer"),
        ([ASKED[1]], "holds nothing that could be answered"),
        ([said("system", "s")], "holds nothing that could be answered"),
        ([said("user", "")], "an empty message of the user"),
        ([*ASKED, said("system", "s")], "ends with a message of the role system"),
    ],
)
def test_what_is_no_conversation_is_refused_with_its_row(tmp_path, messages, says):
    with pytest.raises(DataError) as error:
        rows(tmp_path, {"messages": ASKED}, {"messages": messages})[1]
    assert "rows.jsonl:2, column 'messages'" in str(error.value)
    assert says in str(error.value)


def test_an_answer_and_a_mapped_solution_are_not_both_taught(tmp_path):
    columns = {"messages": "messages", "solution": "other"}
    with pytest.raises(DataError, match=r"solution is mapped as well\n.*columns\.solution=null"):
        rows(tmp_path, {"messages": ASKED, "other": "x"}, columns=columns)[0]


def test_keys_of_messages_may_be_left_out(tmp_path):
    weighed = [said("user", "q", weight=0), said("assistant", "a", weight=1)]
    assert row(tmp_path, *weighed, message_keys_left_out=["weight"])["solution"] == "a"


def test_a_mix_teaches_conversations_and_refuses_a_template_that_they_would_not_get(tmp_path):
    longer = [*ASKED, said("user", "And?"), said("assistant", "4")]
    path = tmp_path / "rows.jsonl"
    path.write_text("".join(json.dumps({"messages": each}) + "\n" for each in (ASKED, longer)))
    source = Dataset(path=str(path), columns=CHAT)

    def examples(**options):
        mix = Mix(train={"mine": Share()}, shuffle=False, response_template="{solution}", **options)
        return mix.stream({"mine": source}, 1).next(2)

    first, second = examples()
    assert (first.prompt, first.messages, first.response) == ("1+1?", (), "2")
    assert [message.role for message in second.messages] == ["user", "assistant", "user"]
    with pytest.raises(DataError, match=r"prompt_template.*conversation"):
        examples(prompt_template="{prompt}\n")
