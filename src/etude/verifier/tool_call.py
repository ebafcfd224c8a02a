"""Graded judgement of a tool call by what is wrong with it (IRM of TL-Training, 2412.15495)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from etude.component import Need, component, option
from etude.rows import Candidate, Outcome, Verdict
from etude.tool_calls import Call, Tool, parse_call, tools_of
from etude.verifier.interface import THOUGHT, Verifier

#: What can be wrong with a call; each is a part that is 1 where it is.
FAULTS = ("malformed", "unknown_tool", "wrong_tool", "hallucinated", "redundant", "missing")


@component(
    source="arXiv 2412.15495",
    requires=(
        Need("column:answer", why="to compare the call with"),
        Need("column:tools", why="to know the names of tools and parameters"),
    ),
    provides=(
        "part:accuracy",
        "part:tool_call",
        "part:tool_name",
        "part:parameters",
        "part:wrong_values",
        "part:length",
        THOUGHT,
        *(f"part:{fault}" for fault in FAULTS),
    ),
)
@dataclass(frozen=True)
class ToolCall(Verifier):
    """Compares a tool call with the one in the column ``answer`` and grades what is wrong with it.

    The part ``tool_call`` is the grade: of the first that applies, a text that is no call, a tool
    that is not in the column ``tools``, another tool than asked for, and then by the parameters:
    hallucinated (the tool has none of that name), redundant (the tool has it and the answer does
    not use it), missing (the answer uses it), wrong values, or 1. The parameters of a tool are
    looked up by the name that was called, or by the column ``action`` where a row has one; where
    they are not known, none is hallucinated or redundant. ``accuracy`` is 1 for the
    same call, ``tool_name`` for the right tool, ``parameters`` for the right names of parameters,
    and every fault is a part of its own.
    """

    answer_can_exhaust: ClassVar[bool] = True

    example: ClassVar[str] = (
        "recipe=rl verifier=tool_call reward_weighting=tool_call data_mix=arithmetic_tools"
    )

    malformed: float = option(-2.0, "grade of a text that is no call")
    unknown_tool: float = option(-2.0, "grade of a tool that is not there")
    wrong_tool: float = option(-1.5, "grade of another tool than the right one")
    all_faults: float = option(-1.8, "hallucinated, redundant and missing parameters")
    hallucinated_and: float = option(-1.3, "hallucinated, and redundant or missing parameters")
    redundant_and_missing: float = option(-1.0, "redundant and missing parameters")
    hallucinated: float = option(-0.8, "hallucinated parameters only")
    redundant_or_missing: float = option(-0.5, "redundant or missing parameters only")
    wrong_values: float = option(-0.25, "the right parameters with wrong values")
    right: float = option(1.0, "grade of the right call")

    def gold_fault(self, gold: str) -> str | None:
        """Return why a right answer cannot be compared with: it is no call."""
        return None if parse_call(gold) is not None else f"is no call of a tool: {gold[:60]!r}"

    def judge(self, candidate: Candidate) -> Verdict:
        """Return the verdict on one call; an answer that is no call itself grades as malformed.

        Raises DataError where the column ``tools`` lists none.
        """
        columns = candidate.columns
        given, gold = parse_call(candidate.response), parse_call(str(columns["answer"]))
        tools = {tool.name: tool for tool in tools_of(columns["tools"])}
        faults = _faults(given, gold, tools, columns)
        grade = self._grade(faults, same=given == gold)
        parts = {
            "accuracy": float(not faults and given == gold),
            "tool_call": grade,
            "tool_name": float(given is not None and not faults & set(FAULTS[:3])),
            "parameters": float(not faults),
            "wrong_values": float(not faults and given != gold),
            "length": float(candidate.length),
            **{fault: float(fault in faults) for fault in FAULTS},
        }
        if given is None:
            return Verdict(Outcome.NO_ANSWER, parts)
        outcome = Outcome.CORRECT if parts["accuracy"] else Outcome.WRONG
        return Verdict(outcome, parts, extracted=candidate.response.strip())

    def _grade(self, faults: set[str], *, same: bool) -> float:
        for fault in ("malformed", "unknown_tool", "wrong_tool"):
            if fault in faults:
                grade: float = getattr(self, fault)
                return grade
        hallucinated = "hallucinated" in faults
        others = len(faults & {"redundant", "missing"})
        if hallucinated:
            return (self.hallucinated, self.hallucinated_and, self.all_faults)[others]
        if others:
            return (self.redundant_or_missing, self.redundant_and_missing)[others - 1]
        return self.right if same else self.wrong_values


def _faults(
    given: Call | None, gold: Call | None, tools: Mapping[str, Tool], columns: Mapping[str, Any]
) -> set[str]:
    """Return what is wrong with a call, values apart; the first three kinds stand alone."""
    if given is None or gold is None:
        return {"malformed"}
    if given.name and given.name not in tools:
        return {"unknown_tool"}
    if given.name != gold.name:
        return {"wrong_tool"}
    tool = tools.get(str(columns.get("action") or given.name))
    used, wanted = set(given.arguments), set(gold.arguments)
    found = {"missing"} if wanted - used else set()
    if tool is not None and tool.parameters is not None:
        known = set(tool.parameters)
        found |= {"hallucinated"} if used - known else set()
        found |= {"redundant"} if (used & known) - wanted else set()
    return found
