"""The graded reward of tool calls."""

from __future__ import annotations

from typing import Any

from etude.rows import Candidate
from etude.verifier.tool_call import ToolCall

METHOD = "tl_training"
CONFIG = {"kind"}
INPUTS = {"functions", "parameters", "items"}


def run(case: Any) -> None:
    assert case.config.take("kind") == "tool_reward"
    parameters = case.inputs.take("parameters")
    tools = [
        {"name": name, "parameters": parameters.get(name)} for name in case.inputs.take("functions")
    ]
    verifier = ToolCall()
    rewards = []
    for given, gold, action in case.inputs.take("items"):
        columns = {"answer": gold, "tools": tools, "action": action}
        verdict = verifier.judge(Candidate("case", 0, "", given, columns))
        rewards.append(verdict.parts["tool_call"])
    case.check("rewards", rewards)
