"""Conversations in which an assistant does arithmetic with tools, some calls failing first."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from etude.component import component, option
from etude.randomness import generator
from etude.sources.arithmetic import GENERATED, Arithmetic
from etude.sources.arithmetic_levels import APPLY, LEVELS, Expression
from etude.sources.interface import StageRows
from etude.sources.turns import COLUMNS, Conversations, TurnRows
from etude.tool_calls import Call, write_call

#: The tools there are: operation → name. Two names begin alike, as those of real tools do.
NAMES = {"+": "add", "-": "subtract", "*": "multiply"}
OPERANDS = ("left", "right")
SUBMIT, VALUE = "submit", "value"
TOOLS = [
    *({"name": name, "parameters": list(OPERANDS)} for name in NAMES.values()),
    {"name": SUBMIT, "parameters": [VALUE]},
]
SYSTEM = "; ".join(f"{tool['name']}({', '.join(tool['parameters'])})" for tool in TOOLS)


@component(
    provides=[
        *(f"column:{name}" for name in (*COLUMNS, "solution", "level")),
        "characters:480",
        *GENERATED,
    ],
)
@dataclass(frozen=True)
class ArithmeticTools:
    """Generated arithmetic worked out with tools, each turn of the assistant a row of its own.

    Every operation is a call (``add(left = '37', right = '48')``) that a tool answers, and the
    result is submitted. In the split ``train`` some conversations begin with a call that fails, as
    collected ones do. Problems are those of the source ``arithmetic``.
    """

    seed: int = option(0, "draws the problems and the failures", ge=0, le=2**63 - 1)
    levels: int = option(3, "levels 1 to this number are generated", ge=1, le=len(LEVELS))
    train_size: int = option(
        1_000, "most problems of each level in the split train", ge=1, le=10_000_000
    )
    test_size: int = option(
        200, "most problems of each level in the split test", ge=1, le=10_000_000
    )
    failures: float = option(
        0.3, "share of training conversations that begin with a failed call", ge=0, le=1
    )

    def rows(
        self, split: str, seed: int, folder: StageRows = None, key: str = "arithmetic_tools"
    ) -> TurnRows:
        """Return the assistant's turns of ``train`` or ``test``, conversations in mixed order."""
        problems = Arithmetic(
            seed=self.seed,
            levels=self.levels,
            train_size=self.train_size,
            test_size=self.test_size,
        ).rows(split, seed, folder, key)
        failures = self.failures if split == "train" else 0.0
        found = Conversations()
        for place, level in enumerate(problems.column("level")):
            problem = problems.expression(place)
            messages = conversation(problem, self.seed, failures)
            found.append({"id": str(problem), "messages": messages, "tools": TOOLS, "level": level})
        return TurnRows(found, key)

    def first_look(self, split: str, key: str = "arithmetic_tools") -> tuple[TurnRows, bool]:
        """Return all rows of a split: they are made in a moment."""
        return self.rows(split, 0, None, key), True

    def files(self) -> list[Path]:
        """Return nothing: the conversations are made, not read."""
        return []


def conversation(problem: Expression, seed: int, failures: float) -> list[dict[str, str]]:
    """Return the messages in which a problem is worked out, a failed call before with a chance."""
    messages = [_said("system", SYSTEM), _said("user", str(problem))]
    random = generator("failed call", seed, str(problem))
    if random.random() < failures:
        left, right = (str(operand) for operand in problem.operands[:2])
        name = NAMES[problem.operations[0]]
        attempts = [
            (Call(name, {"left": left, "other": right}), "error: unexpected keyword other"),
            (Call(name[:3] + "er", {"left": left, "right": right}), f"{name[:3]}er is not defined"),
        ]
        call, reply = attempts[int(random.integers(len(attempts)))]
        messages += [_said("assistant", write_call(call)), _said("function", reply)]
    value = problem.operands[0]
    for symbol, operand in zip(problem.operations, problem.operands[1:], strict=True):
        call = Call(NAMES[symbol], {"left": str(value), "right": str(operand)})
        value = APPLY[symbol](value, operand)
        messages += [_said("assistant", write_call(call)), _said("function", str(value))]
    return [*messages, _said("assistant", write_call(Call(SUBMIT, {VALUE: str(value)})))]


def _said(role: str, content: str) -> dict[str, str]:
    return {"role": role, "content": content}
