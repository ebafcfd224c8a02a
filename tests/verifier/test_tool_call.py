"""A tool call is graded by what is wrong with it."""

from __future__ import annotations

import pytest

from etude.rows import Candidate, Outcome
from etude.tool_calls import Call, parse_call, tools_of, write_call
from etude.verifier.tool_call import FAULTS, ToolCall

TOOLS = [
    {"name": "open", "parameters": ["path", "mode"]},
    {"type": "function", "function": {"name": "find", "parameters": {"properties": {"text": {}}}}},
    "ping",
]
GOLD = "open(path = 'a')"


def judge(text, gold=GOLD, tools=TOOLS, verifier=None, **columns):
    row = Candidate("x", 0, "", text, {"answer": gold, "tools": tools, **columns}, length=5)
    return (verifier or ToolCall()).judge(row)


@pytest.mark.parametrize(
    ("text", "grade", "faults"),
    [
        ("open a", -2.0, {"malformed"}),
        ("open(path = 'a') and more", -2.0, {"malformed"}),
        ("shut(path = 'a')", -2.0, {"unknown_tool"}),
        ("find(text = 'a')", -1.5, {"wrong_tool"}),
        ("(path = 'a')", -1.5, {"wrong_tool"}),
        ("open(mode = 'r', file = 'a')", -1.8, {"hallucinated", "redundant", "missing"}),
        ("open(file = 'a')", -1.3, {"hallucinated", "missing"}),
        ("open(path = 'a', mode = 'r', file = 'b')", -1.3, {"hallucinated", "redundant"}),
        ("open(mode = 'r')", -1.0, {"redundant", "missing"}),
        ("open(path = 'a', file = 'b')", -0.8, {"hallucinated"}),
        ("open(path = 'a', mode = 'r')", -0.5, {"redundant"}),
        ("open()", -0.5, {"missing"}),
        ('open(path = "a")', -0.5, {"missing"}),
        ("open(path = 'b')", -0.25, set()),
        (" open( path='a' ) ", 1.0, set()),
    ],
)
def test_the_grade_follows_the_kind_of_fault(text, grade, faults):
    parts = judge(text).parts
    assert parts["tool_call"] == grade
    assert {fault for fault in FAULTS if parts[fault]} == faults
    assert parts["wrong_values"] == (grade == -0.25)
    assert parts["accuracy"] == (grade == 1.0)
    assert parts["tool_name"] == (grade > -2 and "wrong_tool" not in faults)
    assert parts["parameters"] == (not faults)
    given = [need.what for need in ToolCall.declaration.provides if not need.when]
    assert set(parts) == {what.partition(":")[2] for what in given}


def test_outcomes():
    assert judge(GOLD).outcome is Outcome.CORRECT
    assert judge("open()").outcome is Outcome.WRONG
    assert judge("no call").outcome is Outcome.NO_ANSWER
    assert judge(GOLD, gold="It is 42.").parts["tool_call"] == -2.0


def test_the_order_of_arguments_does_not_matter():
    gold = "open(path = 'a', mode = 'r')"
    assert judge("open(mode = 'r', path = 'a')", gold).parts["tool_call"] == 1.0


def test_parameters_that_nobody_lists_are_neither_hallucinated_nor_redundant():
    assert judge("ping(host = 'a')", "ping(name = 'a')").parts["tool_call"] == -0.5
    assert judge("ping(host = 'a', name = 'a')", "ping(name = 'a')").parts["tool_call"] == -0.25


def test_a_demonstrated_action_says_whose_parameters_count():
    assert judge("open(text = 'a')", action="find").parts["tool_call"] == -1.0
    assert judge("open(text = 'a')", action="").parts["tool_call"] == -1.3
    assert judge("open(text = 'a')", action="gone").parts["tool_call"] == -0.5


def test_grades_can_be_set():
    assert judge("no call", verifier=ToolCall(malformed=-7.0)).parts["tool_call"] == -7.0
    assert judge(GOLD, verifier=ToolCall(right=3.0)).parts["tool_call"] == 3.0


def test_a_written_call_is_read_back():
    call = Call("open", {"path": "a b", "mode": "r"})
    assert parse_call(write_call(call)) == call
    assert parse_call(write_call(Call("ping", {}))) == Call("ping", {})


def test_tools_in_every_form_have_names_and_known_parameters():
    listed = [(tool.name, tool.parameters) for tool in tools_of(TOOLS)]
    assert listed == [("open", ("path", "mode")), ("find", ("text",)), ("ping", None)]
    assert tools_of('["ping"]') == tools_of(["ping"])
