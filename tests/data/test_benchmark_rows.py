"""The presets of public benchmarks on rows with the columns their sets have on the hub."""

from __future__ import annotations

import base64
import json
import pickle
import zlib

import pytest
from test_data_presets import mix, source

from etude.build import build
from etude.errors import DataError
from etude.rows import Candidate, Outcome
from etude.schema import load
from etude.sources.livecodebench import tests_in as read_tests

PLUS = """import math

def assertion(out, exp, atol):
    assert out == exp

for i, (inp, exp) in enumerate(zip([[1], [2]], [2, 3])):
    assertion(more(*inp), exp, 0)
"""
CHECK = "def check(candidate):\n    assert candidate(1) == 2\n"

#: Source → a row as it is on the hub.
ROWS = {
    "aime_2024": {
        "id": 60,
        "problem": "p",
        "solution": "s",
        "answer": "204",
        "url": "",
        "year": "2024",
    },
    "aime_2025": {"problem": "p", "answer": "70", "id": "0"},
    "amc_2023": {"id": 0, "question": "p", "answer": 27.0, "url": ""},
    "minerva_math": {"question": "p", "answer": "x^2"},
    "mbpp_plus": {
        "task_id": 2,
        "code": "def more(x):\n    return x + 1",
        "prompt": "Write more.",
        "source_file": "",
        "test_imports": [],
        "test_list": ["assert more(1) == 2"],
        "test": PLUS,
    },
    "humaneval_plus": {
        "task_id": "HumanEval/0",
        "prompt": 'def more(x):\n    """Return one more."""\n',
        "canonical_solution": "    return x + 1\n",
        "entry_point": "more",
        "test": CHECK,
    },
    "mmlu_pro": {
        "question_id": 70,
        "question": "Which?",
        "options": ["red", "green", "blue"],
        "answer": "B",
        "answer_index": 1,
        "category": "law",
    },
    "gpqa_diamond": {
        "Question": "Which?",
        "Correct Answer": "green\n",
        "Incorrect Answer 1": "red",
        "Incorrect Answer 2": "blue",
        "Incorrect Answer 3": "grey",
    },
    "arc_challenge": {
        "id": "M_1",
        "question": "Which?",
        "choices": {"text": ["red", "green"], "label": ["1", "2"]},
        "answerKey": "2",
    },
    "livecodebench": {
        "question_id": "1",
        "question_content": "Add one.",
        "starter_code": "",
        "public_test_cases": '[{"input": "1\\n", "output": "2\\n", "testtype": "stdin"}]',
        "private_test_cases": base64.b64encode(
            zlib.compress(
                pickle.dumps('[{"input": "2\\n", "output": "3\\n", "testtype": "stdin"}]')
            )
        ).decode(),
        "metadata": "{}",
        "difficulty": "easy",
        "contest_date": "2025-01-01T00:00:00",
    },
}


@pytest.fixture
def rows(tmp_path):
    """Return the mixed rows of a benchmark of one row, with changes to it."""

    def of(name, **changes):
        path = tmp_path / f"{name}.jsonl"
        path.write_text(json.dumps({**ROWS[name], **changes}) + "\n")
        return mix(name).stream({name: source(name, path=str(path))}, 1).held_out(5)

    return of


@pytest.mark.parametrize(
    ("name", "answer"),
    [("aime_2024", "204"), ("aime_2025", "70"), ("amc_2023", "27"), ("minerva_math", "x^2")],
)
def test_problems_of_mathematics_have_their_answers(rows, name, answer):
    (example,) = rows(name)
    assert example.columns["answer"] == answer
    assert example.prompt == "p\nPut the final answer within \\boxed{}.\n"


@pytest.mark.parametrize("name", ["mmlu_pro", "gpqa_diamond", "arc_challenge"])
def test_options_are_lettered_and_the_right_one_is_known_by_its_letter(rows, name):
    (example,) = rows(name)
    right = example.columns["answer"]
    assert f"\n{right}. green\n" in example.prompt
    assert example.prompt.startswith("Which?\n\nA. ")
    assert example.columns["answer_text"] == "green"
    assert example.columns["options"][example.columns["answer_index"]] == "green"
    assert rows(name)[0].prompt == example.prompt  # shuffled the same way each time


def test_shuffled_options_do_not_keep_the_right_one_first(rows):
    letters = {rows("gpqa_diamond", Question=f"Which {n}?")[0].columns["answer"] for n in range(12)}
    assert len(letters) > 1


@pytest.mark.parametrize(
    ("response", "outcome"),
    [
        ("so it is \\boxed{b}", Outcome.CORRECT),
        ("\\boxed{A}", Outcome.WRONG),
        ("\\boxed{A,B}", Outcome.WRONG),
    ],
)
def test_the_chosen_letter_is_read_from_the_box(rows, response, outcome):
    (example,) = rows("mmlu_pro")
    judge = build({**plain("verifier", "choices"), "pattern": None, "case": False}, "verifier")
    candidate = Candidate(example.id, 0, example.prompt, response, example.columns)
    assert judge.judge(candidate).outcome is outcome


def plain(group, name):
    fields = load().find(group, name).fields
    return {"name": name, **{key: field.default for key, field in fields.items()}}


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"options": ["one"]}, "2 to 26"),
        ({"options": "red, green"}, "2 to 26"),
        ({"answer": "Q"}, "no label"),
        ({"answer": None}, "no label"),
    ],
)
def test_options_that_are_none_and_answers_that_name_none_are_refused(rows, changes, why):
    with pytest.raises(DataError, match=why):
        rows("mmlu_pro", **changes)


def test_an_answer_may_be_a_place_or_the_text_of_its_option(rows):
    assert rows("mmlu_pro", answer="0")[0].columns["answer"] == "A"
    assert rows("mmlu_pro", answer="blue")[0].columns["answer"] == "C"


def test_programs_have_tests_that_the_verifier_of_code_can_run(rows):
    from etude.verifier.sandbox.cases import Asserted, Printed, suite

    for name in ("mbpp_plus", "humaneval_plus"):
        (example,) = rows(name)
        assert all(isinstance(case, Asserted) for case in suite(example.columns).cases)
    assert "assert more(1) == 2" in rows("mbpp_plus")[0].prompt
    (example,) = rows("livecodebench")
    assert [case.stdin for case in suite(example.columns).cases] == ["1\n", "2\n"]
    assert all(isinstance(case, Printed) for case in suite(example.columns).cases)


def test_methods_are_tested_by_assertions_and_the_code_to_go_on_from_is_shown(rows):
    from etude.verifier.sandbox.cases import suite

    (example,) = rows(
        "livecodebench",
        starter_code="class Solution:\n    def add(self, a, b):\n",
        metadata='{"func_name": "add"}',
        public_test_cases='[{"input": "[1]\\n\\"x\\"", "output": "null"}]',
        private_test_cases="",
    )
    assert example.columns["tests"] == ["assert Solution().add([1], 'x') == None"]
    assert "Go on from this:\nclass Solution:" in example.prompt
    assert len(suite(example.columns).cases) == 1


class Hostile:
    def __reduce__(self):
        return (print, ("run",))


def test_compressed_tests_run_nothing_and_hold_nothing_but_text(capsys):
    def packed(value):
        return base64.b64encode(zlib.compress(pickle.dumps(value))).decode()

    with pytest.raises(ValueError, match="would run it"):
        read_tests(packed(Hostile()), None)
    assert capsys.readouterr().out == ""
    with pytest.raises(ValueError, match="not the text"):
        read_tests(packed(3), None)
    with pytest.raises(ValueError, match="neither JSON"):
        read_tests("%%%", None)
    with pytest.raises(ValueError, match="no list"):
        read_tests('{"a": 1}', None)
    assert read_tests(None, None) == []
