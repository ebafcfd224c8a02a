"""Calls of tools: read in the formats that models write, and answered where they fit nothing."""

from __future__ import annotations

from typing import Any

import pytest

from etude.environment.running import Broken, Running
from etude.model.calls import CallReader
from rude import Thing


def running(kind: str = "") -> Running:
    one = Running(Thing(kind), 5, 100)
    one.reset({})
    return one


class Tokenizer:
    """One that says nothing of how answers are read."""


def reader(written: str) -> CallReader:
    return CallReader(Tokenizer(), lambda said: "", written)


@pytest.mark.parametrize("written", ["hermes", "llama", "mistral", "plain"])
def test_a_call_is_read_as_it_is_written_and_one_that_is_not_whole_is_told(written):
    tools, it = running().schemas, reader(written)
    call = it.write("add", {"number": 7, "twice": True})
    wanted = {"name": "add", "arguments": {"number": 7, "twice": True}}
    assert it.read(call, tools).calls == (wanted,)
    assert it.read(f"I add. {call}", tools).calls == (wanted,)
    assert it.read("I add 7 (twice).", tools).calls == ()
    assert it.read(call, []).calls == ()
    if written != "plain":
        (broken,) = it.read(call.replace('"number"', "number"), tools).calls
        assert "cannot be read" in broken["fault"] and "NAME" in broken["fault"]


@pytest.mark.parametrize(
    ("rendered", "written"),
    [
        ('<tool_call>\n{"name": "markcall7q"}\n</tool_call>', "hermes"),
        ('[TOOL_CALLS][{"name": "markcall7q"}]', "mistral"),
        ('{"name": "markcall7q", "parameters": {}}', "llama"),
        ("nothing of it", "plain"),
    ],
)
def test_the_format_is_that_in_which_the_chat_template_writes_a_call(rendered, written):
    assert CallReader(Tokenizer(), lambda said: rendered, "auto").format == written


def test_a_response_template_of_the_tokenizer_says_how_its_model_writes():
    class Own:
        response_template = {
            "start_anchor_pattern": r"\A",
            "fields": {
                "content": {},
                "tool_calls": {
                    "open": "<call>",
                    "close": "</call>",
                    "content": "json",
                    "repeats": True,
                    "transform": {"function": {"name": "{content.n}", "arguments": "{content.a}"}},
                },
            },
        }

    it = CallReader(Own(), lambda said: "", "auto")
    found = it.read('so <call>{"n": "add", "a": {"number": 1}}</call>', running().schemas)
    assert found.calls == ({"name": "add", "arguments": {"number": 1}},)


@pytest.mark.parametrize(
    ("call", "said"),
    [
        ({"fault": "no JSON"}, "error: no JSON"),
        ({"name": "ad", "arguments": {}}, "there is no tool 'ad'; there are add, draw"),
        ({"name": "__init__", "arguments": {}}, "there is no tool"),
        ({"name": "parts", "arguments": {}}, "there is no tool"),
        ({"name": "add", "arguments": []}, "the arguments of add are an object, not []"),
        ({"name": "add", "arguments": {}}, "add needs the parameter 'number'"),
        ({"name": "add", "arguments": {"n": 1}}, "no parameter 'n'; it has number, twice"),
        ({"name": "add", "arguments": {"number": "1"}}, 'is integer, not "1"'),
        ({"name": "add", "arguments": {"number": True}}, "is integer, not true"),
        ({"name": "add", "arguments": {"number": 1, "twice": 1}}, "is boolean, not 1"),
        ({"name": "add" * 50, "arguments": {"m" * 500: 1}}, "there is no tool"),
    ],
)
def test_a_call_that_fits_no_tool_gets_an_answer_and_is_counted(call: Any, said: str):
    found = running().turn([call], "")
    assert said in found["messages"][0]["content"]
    assert found["messages"][0]["role"] == "tool"
    assert (found["malformed"], found["failed"], found["done"]) == (1, 0, False)


def test_calls_of_one_turn_are_answered_one_after_the_other():
    one = running()
    calls = [{"name": "add", "arguments": {"number": n}} for n in (1, 2)]
    found = one.turn(calls, "")
    assert [each["content"] for each in found["messages"]] == ['{"count": 1}', '{"count": 3}']
    assert one.turn([], "that is all")["over"] == "no_call"  # there is no step
    assert one.finish([]) == {"parts": {"count": 3.0, "child": 0.0}}


def test_an_object_without_tools_hears_turns_and_its_turn_parts_are_asked_after_each():
    class Guess:
        turn_parts = ("near",)

        def reset(self, seed: int, answer: str) -> list[dict[str, str]]:
            self.answer, self.near, self.done = answer, 0.0, False
            return [{"role": "system", "content": "Guess."}, {"role": "user", "content": "?"}]

        def step(self, text: str) -> tuple[list[dict[str, str]], bool]:
            self.near = float(text == self.answer)
            self.done = text == "over"
            return [{"role": "user", "content": "again"}], self.near == 1.0

        def parts(self) -> dict[str, float]:
            return {"near": self.near}

        def goal_of(self, messages: list[dict[str, str]]) -> str:
            return messages[-1]["content"]

    one = Running(Guess(), 1, 100)
    assert len(one.reset({"answer": "b", "level": 3})["messages"]) == 2
    assert one.schemas == []
    first, second = one.turn([], "a"), one.turn([], "b")
    assert (first["turn_parts"], first["done"]) == ({"near": 0.0}, False)
    assert (second["turn_parts"], second["done"]) == ({"near": 1.0}, True)
    assert one.turn([], "over")["done"]
    assert one.finish([{"role": "assistant", "content": "b"}])["goal"] == "b"
    with pytest.raises(TypeError):
        Running(Guess(), 1, 100).reset({"level": 3})
    for wrong in (None, "x", ([], 1), ([{"role": "user"}], True), (["m"] * 100, True)):
        one.thing.step = lambda text, wrong=wrong: wrong
        with pytest.raises(Broken):
            one.turn([], "a")
