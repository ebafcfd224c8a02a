"""Which of a teacher's responses are learned."""

from __future__ import annotations

import pytest

from etude.data_mix.filter.teacher_responses import TeacherResponses

ROWS = {
    "prompt": ["p", "p", "p", "p", "q", "q"],
    "solution": ["a", "b", "b", "c", "d", ""],
    "solution_correct": [True, True, True, False, False, True],
}


@pytest.mark.parametrize(
    ("changes", "kept", "covered"),
    [
        ({}, [1, 1, 0, 0, 0, 0], 0.5),
        ({"deduplicate": False}, [1, 1, 1, 0, 0, 0], 0.5),
        ({"keep": "all"}, [1, 1, 0, 1, 1, 0], 1.0),
        ({"keep": "per_prompt_max", "max_per_prompt": 1}, [1, 0, 0, 0, 0, 0], 0.5),
        ({"keep": "per_prompt_max", "max_per_prompt": 9}, [1, 1, 0, 0, 0, 0], 0.5),
    ],
)
def test_what_is_kept_and_how_many_prompts_are_covered(changes, kept, covered):
    found = TeacherResponses(**changes).choose(ROWS)
    assert found.kept.astype(int).tolist() == kept
    assert found.findings["covered_prompts"] == covered
    assert found.findings["kept"] == sum(kept) / 6


def test_the_check_is_read_only_where_it_is_needed():
    assert "solution_correct" not in TeacherResponses(keep="all").columns()
    assert "solution_correct" in TeacherResponses().columns()
