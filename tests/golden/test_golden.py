"""Every golden case passes through the components that training uses.

The folder is named by the environment variable ETUDE_GOLDEN (default: ``shared/golden`` beside the
repository); the cases in ``own/`` run always.
"""

from __future__ import annotations

import copy
import json
import os
from pathlib import Path
from typing import Any

import golden_case
import pytest
import torch

torch.set_num_threads(1)

ROOT = Path(__file__).parents[2]
GIVEN = Path(os.environ.get("ETUDE_GOLDEN") or ROOT.parent / "shared" / "golden")
OWN = Path(__file__).parent / "own"

Found = tuple[str, dict[str, Any], dict[str, Any]]
GIVEN_CASES: list[Found] = golden_case.cases(GIVEN)
OWN_CASES: list[Found] = golden_case.cases(OWN)
ABSENT = f"no golden files of the claimed methods in {GIVEN}; name their folder in ETUDE_GOLDEN"


def names(found: list[Found]) -> list[str]:
    return [f"{file.removesuffix('.json')}-{case['name']}" for file, _, case in found]


@pytest.mark.skipif(not GIVEN_CASES, reason=ABSENT)
@pytest.mark.parametrize("found", GIVEN_CASES, ids=names(GIVEN_CASES))
def test_given_case(found: Found, record_property: Any) -> None:
    record_property("golden", found[1]["method"])
    golden_case.run(*found)


@pytest.mark.parametrize("found", OWN_CASES, ids=names(OWN_CASES))
def test_own_case(found: Found, record_property: Any) -> None:
    record_property("golden", f"{found[1]['method']} (own)")
    golden_case.run(*found)


@pytest.mark.skipif(not GIVEN_CASES, reason=ABSENT)
def test_no_case_of_a_claimed_method_is_left_out_unsaid() -> None:
    in_folder = sum(
        len(content["cases"])
        for path in GIVEN.glob("*.json")
        if (content := json.loads(path.read_text())).get("method") in golden_case.claimed()
    )
    assert len(GIVEN_CASES) == in_folder - len(golden_case.LATER)


def test_every_claimed_method_has_own_cases() -> None:
    assert {content["method"] for _, content, _ in OWN_CASES} == golden_case.claimed()


def spoilt(value: Any) -> Any:
    """Return the value with one number in it changed by more than the tolerance, or one text.

    What is empty holds something then, and null is a number.
    """
    if value is None:
        return 0.0
    if isinstance(value, dict):
        key = next(iter(value), "?")
        return {**value, key: spoilt(value.get(key))}
    if value == []:
        return [0.0]
    if isinstance(value, list):
        at = max(range(len(value)), key=lambda i: isinstance(value[i], (list, dict)))
        return [*value[:at], spoilt(value[at]), *value[at + 1 :]]
    if isinstance(value, str):
        return f"{value}?"
    return not value if isinstance(value, bool) else value + 1e-3 + 1e-3 * abs(value)


ALL = GIVEN_CASES + OWN_CASES


@pytest.mark.parametrize("found", ALL, ids=names(ALL))
def test_a_wrong_number_is_noticed(found: Found) -> None:
    file, content, case = found
    for key in case["expected"]:
        wrong = copy.deepcopy(case)
        wrong["expected"][key] = spoilt(wrong["expected"][key])
        with pytest.raises(AssertionError):
            golden_case.run(file, content, wrong)


@pytest.mark.parametrize("part", ["config", "inputs", "expected"])
@pytest.mark.parametrize("found", OWN_CASES, ids=names(OWN_CASES))
def test_an_unknown_key_is_noticed(found: Found, part: str) -> None:
    file, content, case = found
    strange = copy.deepcopy(case)
    strange[part]["a_key_nobody_knows"] = 1
    with pytest.raises(AssertionError, match="a_key_nobody_knows"):
        golden_case.run(file, content, strange)


def test_an_unknown_kind_of_case_is_noticed() -> None:
    content = {"method": "sft", "dtype": "float64", "cases": []}
    case = {"name": "new", "config": {"kind": "other"}, "inputs": {}, "expected": {}}
    with pytest.raises(AssertionError, match="0 adapters of sft"):
        golden_case.run("sft.json", content, case)
