"""Published solutions are accepted, and the same with a mistake in them refused."""

from __future__ import annotations

import ast
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import code_cases
import pytest

from etude.rows import Candidate, Outcome, Verdict
from etude.verifier.code import Code

ROOT = Path(__file__).parents[2]
DATA = Path(os.environ.get("ETUDE_DATA", ROOT.parent / "shared" / "data"))
FILES = {"humaneval": "humaneval_subset.jsonl", "mbpp": "sanitized_mbpp.jsonl"}
LONG = bool(os.environ.get("ETUDE_LONG"))
#: One problem in so many is taken where there is little time.
STEP = 1 if LONG else 27

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not DATA.is_dir(), reason=f"the folder with real problems is absent (ETUDE_DATA, {DATA})"
    ),
    pytest.mark.skipif(
        code_cases.strongest() is None, reason="no program can be run apart on this machine"
    ),
]


def rows(name: str) -> Iterator[dict[str, Any]]:
    lines = (DATA / name / FILES[name]).read_text(encoding="utf-8").split("\n")
    for line in [each for each in lines if each][::STEP]:
        yield json.loads(line)


def asked(row: dict[str, Any], program: str) -> Candidate:
    columns: dict[str, Any] = {"tests": row["tests"], "entry_point": row["entry_point"]}
    if row["test_style"] == "check_function":
        columns["prelude"] = row["prompt"]
    else:
        columns["setup"] = row["test_imports"]
    return Candidate(row["id"], 0, "", f"```python\n{program}\n```\n", columns)


def solution(row: dict[str, Any]) -> str:
    above = row["prompt"] if row["test_style"] == "check_function" else ""
    return str(above + row["canonical_solution"])


class Spoiler(ast.NodeTransformer):
    """Makes every function return something else."""

    def visit_Return(self, node: ast.Return) -> ast.Return:
        return ast.copy_location(
            ast.Return(
                ast.Tuple([node.value or ast.Constant(None), ast.Constant("spoilt")], ast.Load())
            ),
            node,
        )


def spoilt(program: str) -> str:
    return ast.unparse(ast.fix_missing_locations(Spoiler().visit(ast.parse(program))))


def judged(candidates: list[Candidate]) -> dict[str, Verdict]:
    with Code(test_seconds=100, timeout=300, test_memory=512).open(2) as judge:
        found = judge.verify(candidates)
    return {each.id: verdict for each, verdict in zip(candidates, found, strict=True)}


@pytest.mark.parametrize("name", sorted(FILES))
def test_every_published_solution_is_accepted(name: str) -> None:
    found = judged([asked(row, solution(row)) for row in rows(name)])
    refused = {
        key: each.detail for key, each in found.items() if each.outcome is not Outcome.CORRECT
    }
    assert found
    assert refused == {}


@pytest.mark.parametrize("name", sorted(FILES))
def test_solutions_that_return_something_else_are_refused(name: str) -> None:
    found = judged([asked(row, spoilt(solution(row))) for row in rows(name)])
    accepted = [
        key for key, each in found.items() if each.outcome not in (Outcome.WRONG, Outcome.PARTIAL)
    ]
    assert found
    assert accepted == []
