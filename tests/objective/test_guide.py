"""Guide: when answers with a hint are sampled, how they are grouped, and what they teach."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
import torch
from objective_cases import composed, loss_and_gradient, random_rows

from etude.build import build
from etude.errors import ConfigError
from etude.objective.guidance.guide import Guide
from etude.objective.guidance.none import Unguided
from etude.objective.guidance.visits import FirstVisits
from etude.rows import Example, Row
from given_answers import GivenAnswers, answer, tokens_of


def example(name: str, hint: str | None = "Add the tens first") -> Example:
    return Example(id=name, source="given", prompt=f"{name}?", columns={"hint": hint})


def scripted(
    right: dict[str, list[float]], texts: Any = None, *, room: int = 10**9
) -> GivenAnswers:
    """Return answers that are right as ``right`` says, then guided ones: one right, one wrong."""

    def answers(asked: Example, visit: int) -> list[Row]:
        known = right[asked.id] if asked.prompt == f"{asked.id}?" else [1.0, 0.0]
        said = ["So: add  the TENS first, 7", "7"] + ["7"] * len(known)
        return [answer(asked, i, text=said[i], accuracy=r) for i, r in enumerate(known)]

    return GivenAnswers(answers, texts, room=room)


def test_guided_answers_are_trained_in_the_plain_prompt() -> None:
    sampler = scripted({"a": [0.0, 0.0]})
    made = Guide(template="{prompt} {hint}").groups([example("a")], 2, sampler, FirstVisits())
    ((*plain, first, second),) = made.rows
    assert [row.prompt for row in plain] == [row.sampled_prompt for row in plain]
    for row in (first, second):
        assert row.prompt == tokens_of("a?")
        assert row.sampled_prompt == tokens_of("a? Add the tens first")
        assert row.example == example("a")


def test_without_correction_the_plain_context_is_the_old_one() -> None:
    guidance = Guide(denominator_context="none")
    made = guidance.groups([example("a")], 2, scripted({"a": [0.0, 0.0]}), FirstVisits())
    assert all(row.sampled_prompt == row.prompt == tokens_of("a?") for row in made.rows[0])


def test_a_hint_that_leaves_no_room_to_answer_is_not_given() -> None:
    sampler = scripted({"a": [0.0, 0.0], "b": [0.0, 0.0]}, room=20)
    asked = [example("a"), example("b", "Add")]
    made = Guide(group="separate").groups(asked, 2, sampler, FirstVisits())
    assert [rows[0].prompt_id for rows in made.rows] == ["a", "b", "b"]
    assert made.counts["guidance/without_room"] == (1, 2)
    assert made.counts["guidance/without_hint"] == (0, 2)


@pytest.mark.parametrize(
    ("group", "sizes"), [("union", [2, 4]), ("replace", [2, 2]), ("separate", [2, 2, 2])]
)
def test_guided_answers_are_grouped_as_asked(group: str, sizes: list[int]) -> None:
    sampler = scripted({"a": [1.0, 0.0], "b": [0.0, 0.0]})
    made = Guide(group=group).groups([example("a"), example("b")], 2, sampler, FirstVisits())
    assert [len(rows) for rows in made.rows] == sizes
    assert {row.prompt_id for row in made.rows[-1]} == {"b"}
    assert any(row.verdict.parts["accuracy"] for row in made.rows[-1])  # type: ignore[union-attr]


def test_as_many_guided_answers_are_sampled_as_asked_for() -> None:
    made = Guide(rollouts=2).groups([example("a")], 3, scripted({"a": [0.0] * 3}), FirstVisits())
    assert len(made.rows[0]) == 5


@pytest.mark.parametrize(("threshold", "triggered"), [(0.0, 1), (0.25, 2), (0.5, 3)])
def test_the_threshold_is_a_share_of_right_answers(threshold: float, triggered: int) -> None:
    right = {"a": [0.0] * 4, "b": [1.0, 0, 0, 0], "c": [1.0, 1.0, 0, 0], "d": [1.0] * 3 + [0]}
    guidance = Guide(failure_threshold=threshold, rollouts=2)
    made = guidance.groups([example(name) for name in right], 4, scripted(right), FirstVisits())
    assert made.counts["guidance/triggered"] == (triggered, 4)


def test_a_prompt_without_hint_is_not_guided_unless_its_solution_stands_in() -> None:
    right = {"a": [0.0, 0.0], "b": [0.0, 0.0]}
    asked = [example("a", None), example("b", "")]
    made = Guide().groups(asked, 2, scripted(right, {"a": "7+8=15"}), FirstVisits())
    assert [len(group) for group in made.rows] == [2, 2]
    assert made.counts["guidance/without_hint"] == (2, 2)
    sampler = scripted(right, {"a": "7+8=15"})
    guidance = Guide(fallback_ratio=0.5, template="{prompt} {hint}")
    made = guidance.groups(asked, 2, sampler, FirstVisits())
    assert [len(group) for group in made.rows] == [4, 2]
    assert made.rows[0][-1].sampled_prompt == tokens_of("a? 7+8")
    assert made.counts["guidance/without_hint"] == (1, 2)


def test_success_and_quoted_hints_are_counted() -> None:
    sampler = scripted({"a": [1.0, 0.0], "b": [0.0, 0.0]})
    counts = Guide().groups([example("a"), example("b")], 2, sampler, FirstVisits()).counts
    assert counts["guidance/correct_plain"] == (1, 4)
    assert counts["guidance/correct_guided"] == (1, 2)
    assert counts["guidance/guided_rows"] == (2, 6)
    assert counts["guidance/quoting"] == (1, 2)  # apart from case and spacing


def test_prompts_solved_at_first_are_told_from_those_learned() -> None:
    state = FirstVisits()
    asked = [example("a"), example("b")]
    Guide().groups(asked, 2, scripted({"a": [1.0, 0.0], "b": [0.0, 0.0]}), state)
    again = FirstVisits()
    again.load_state_dict(state.state_dict())
    counts = Guide().groups(asked, 2, scripted({"a": [0.0, 0.0], "b": [0.0, 1.0]}), again).counts
    assert counts["guidance/still_solved"] == (0, 1)
    assert counts["guidance/newly_solved"] == (1, 1)


def test_without_a_trigger_groups_are_those_of_plain_sampling() -> None:
    right = {"a": [1.0, 0.0], "b": [0.0, 1.0]}
    asked = [example("a"), example("b")]
    made = Guide().groups(asked, 2, scripted(right), FirstVisits())
    assert made.rows == Unguided().groups(asked, 2, scripted(right), None).rows


def test_a_template_must_name_prompt_and_hint() -> None:
    with pytest.raises(ConfigError, match="template"):
        build({"name": "guide", "template": "{hint}"}, "objective/guidance")


def test_ratio_and_clip_of_rows_that_changed_context_are_logged_apart() -> None:
    rows = random_rows()
    objective = composed("objective=guide")
    moved = torch.zeros(11, dtype=torch.float64)
    moved[[0, 4]] = 1
    logits = rows.logits
    whole = dataclasses.replace(rows, batch=dataclasses.replace(rows.batch, moved=moved))
    _, _, plain = loss_and_gradient(objective, rows)
    _, gradient, metrics = loss_and_gradient(objective, whole)
    assert "objective/moved_ratio" not in plain
    _, cut_gradient, cut = loss_and_gradient(
        objective, whole, cuts=[[0, 3, 5], [1, 2, 4], [6, 7, 8, 9, 10]]
    )
    torch.testing.assert_close(gradient, cut_gradient)
    assert cut["objective/moved_ratio"].value() == pytest.approx(
        metrics["objective/moved_ratio"].value()
    )
    current = logits.log_softmax(-1).gather(-1, rows.tokens.unsqueeze(-1)).squeeze(-1)
    ratio = (current - rows.batch.old_logprobs).exp()
    mask = rows.batch.mask * moved.unsqueeze(-1)
    expected = float((ratio * mask).sum() / mask.sum())
    assert metrics["objective/moved_ratio"].value() == pytest.approx(expected)
    assert 0 <= metrics["objective/moved_clip_fraction"].value() <= 1
