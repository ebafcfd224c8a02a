"""GHPO: which prompts get which hint, in which context their answers are trained."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
import torch
from objective_cases import composed, loss_and_gradient, random_rows

from etude.build import build
from etude.errors import ConfigError
from etude.objective.guidance.hinting import hinted
from etude.objective.guidance.hints import Hints
from etude.objective.guidance.none import Unguided
from etude.objective.guidance.visits import Stages
from etude.rows import Example, Message, Row
from given_answers import GivenAnswers, answer, tokens_of

SOLUTION = "one two\nthree four\n"


def examples(*ids: str) -> list[Example]:
    return [Example(id=each, source="given", prompt=f"{each}?") for each in ids]


def scripted(
    *solved_at: int | None, texts: Any = None, step: int = 0, room: int = 10**9
) -> GivenAnswers:
    """Return answers to a, b, …: from the visit in ``solved_at`` on one of the two is right."""
    names = "abcdef"[: len(solved_at)]
    first = dict(zip(names, solved_at, strict=True))

    def answers(example: Example, visit: int) -> list[Row]:
        when = first[example.id]
        right = float(when is not None and visit >= when)
        return [
            answer(example, 0, text=f"{visit}", accuracy=right, format=1.0),
            answer(example, 1, text=f"{visit}", accuracy=0.0, format=0.0),
        ]

    given = dict.fromkeys(names, SOLUTION) if texts is None else texts
    return GivenAnswers(answers, given, step=step, room=room)


def test_each_prompt_keeps_the_context_that_its_answers_came_from() -> None:
    # b is solved with the first hint while c needs another: b's prompt must not become plain again.
    sampler = scripted(0, 1, 3, None)
    asked = examples("a", "b", "c", "d")
    made = Hints(template="{prompt}|{hint}").groups(asked, 2, sampler, None)
    prompts = [group[0].example.prompt for group in made.rows]
    cut = [SOLUTION[: round(len(SOLUTION) * ratio)] for ratio in (0.25, 0.75)]
    assert prompts == ["a?", f"b?|{cut[0]}", f"c?|{cut[1]}", f"d?|{cut[1]}"]
    for group in made.rows:
        for row in group:
            assert row.prompt == row.sampled_prompt == tokens_of(row.example.prompt)
    assert [group[0].text for group in made.rows] == ["0", "1", "3", "3"]
    assert dict(sampler.visits) == {"a": 1, "b": 2, "c": 4, "d": 4}


def test_stages_and_solved_prompts_are_counted() -> None:
    made = Hints().groups(examples("a", "b", "c", "d"), 2, scripted(0, 1, 3, None), None)
    assert made.counts == {
        "guidance/solved/0": (1, 4),
        "guidance/difficult/0": (3, 4),
        "guidance/without_solution": (0, 3),
        "guidance/hinted": (3, 4),
        "guidance/solved/0.25": (1, 3),
        "guidance/difficult/0.25": (2, 4),
        "guidance/solved/0.5": (0, 2),
        "guidance/difficult/0.5": (2, 4),
        "guidance/solved/0.75": (1, 2),
        "guidance/difficult/0.75": (1, 4),
        "guidance/without_room": (0, 3),
    }


def test_a_hint_that_leaves_no_room_to_answer_is_not_given() -> None:
    # the first hint is five characters long and the second ten
    guidance = Hints(template="{prompt}{hint}", hint_ratios=[0.25, 0.5])
    sampler = scripted(0, 1, None, room=7)
    made = guidance.groups(examples("a", "b", "c"), 2, sampler, None)
    assert [group[0].example.prompt[2:] for group in made.rows] == ["", SOLUTION[:5], SOLUTION[:5]]
    assert dict(sampler.visits) == {"a": 1, "b": 2, "c": 2}
    assert made.counts["guidance/without_room"] == (1, 2)
    assert made.counts["guidance/difficult/0.5"] == (1, 3)


def test_across_epochs_a_prompt_without_room_is_asked_plainly_and_stays_where_it_is() -> None:
    guidance = Hints(
        template="{prompt}{hint}", hint_ratios=[0.25, 0.5, 0.75], escalation="across_epochs"
    )
    state = guidance.make_state()
    sampler = scripted(None, room=7)
    for hint, stage in (("", 1), (SOLUTION[:5], 2), ("", 2), ("", 2)):
        made = guidance.groups(examples("a"), 2, sampler, state)
        assert made.rows[0][0].example.prompt == "a?" + hint
        assert state.stages == {"a": stage}
        assert made.counts["guidance/hinted"] == (float(bool(hint)), 1.0)


def test_a_prompt_without_solution_stays_plain_and_is_counted() -> None:
    sampler = scripted(None, None, texts={"b": SOLUTION})
    made = Hints().groups(examples("a", "b"), 2, sampler, None)
    assert sampler.visits == {"a": 1, "b": 4}
    assert made.rows[0][0].example.prompt == "a?"
    assert made.counts["guidance/without_solution"] == (1, 2)
    assert made.counts["guidance/difficult/0.75"] == (2, 2)


@pytest.mark.parametrize(
    ("unit", "expected"),
    [
        ("chars", [SOLUTION[:9], SOLUTION[:14]]),
        ("lines", ["one two\n", "one two\nthree four\n"]),
        ("tokens", ["one", "one two\nthree"]),
    ],
)
def test_hints_are_counted_in_units(unit: str, expected: list[str]) -> None:
    # 19 characters, 2 lines, 3 words: a half rounds to the even number
    shown: list[str] = []

    def answers(example: Example, visit: int) -> list[Row]:
        shown.append(example.prompt.partition("|")[2])
        return [answer(example, 0, accuracy=0.0)]

    sampler = GivenAnswers(answers, {"a": SOLUTION})
    guidance = Hints(hint_ratios=[0.45, 0.75], hint_unit=unit, template="{prompt}|{hint}")
    guidance.groups(examples("a"), 1, sampler, None)
    assert shown[1:] == expected


def test_form_does_not_count_for_difficulty_unless_it_is_what_decides() -> None:
    by_form = scripted(None)
    Hints(difficulty_reward="format").groups(examples("a"), 2, by_form, None)
    assert by_form.visits["a"] == 1
    at_threshold = scripted(0)
    Hints(difficulty_threshold=1.0).groups(examples("a"), 2, at_threshold, None)
    assert at_threshold.visits["a"] == 4


def test_a_part_that_applies_to_no_answer_is_in_no_answer_good_enough() -> None:
    right = GivenAnswers(lambda example, visit: [answer(example, 1)], {"a": SOLUTION})
    groups = Hints(difficulty_reward="grade", hint_ratios=[0.5]).groups(
        examples("a"), 1, right, None
    )
    assert right.visits["a"] == 2  # asked again, with a hint
    assert [len(group) for group in groups.rows] == [1]


def test_answers_the_verifier_failed_on_are_not_right() -> None:
    def answers(example: Example, visit: int) -> list[Row]:
        row = answer(example, 0)
        row.verdict = None
        return [row]

    sampler = GivenAnswers(answers, {"a": SOLUTION})
    Hints(hint_ratios=[0.5]).groups(examples("a"), 1, sampler, None)
    assert sampler.visits["a"] == 2


@pytest.mark.parametrize(("step", "visits"), [(19, 1), (20, 4)])
def test_no_hint_is_given_before_the_first_step_for_it(step: int, visits: int) -> None:
    sampler = scripted(None, step=step)
    made = Hints(start_hint_step=20).groups(examples("a"), 2, sampler, None)
    assert sampler.visits["a"] == visits
    assert bool(made.counts) == (visits > 1)


@pytest.mark.parametrize("solved_at", [(0, 0), (None, None)])
def test_no_ratios_or_no_difficult_prompt_is_plain_sampling(solved_at: Any) -> None:
    plain = Unguided().groups(examples("a", "b"), 2, scripted(*solved_at), None)
    hints = Hints(hint_ratios=[] if solved_at[0] is None else [0.25, 0.5])
    made = hints.groups(examples("a", "b"), 2, scripted(*solved_at), None)
    assert made.rows == plain.rows


def test_stages_across_epochs_move_by_one_a_visit_and_travel() -> None:
    guidance = Hints(
        hint_ratios=[0.25, 0.5], escalation="across_epochs", template="{prompt}|{hint}"
    )
    state = guidance.make_state()
    sampler = scripted(None, 1, texts={"a": SOLUTION, "b": SOLUTION})
    prompts = []
    for _ in range(4):
        made = guidance.groups(examples("a", "b"), 2, sampler, state)
        prompts.append([group[0].example.prompt.partition("|")[2] for group in made.rows])
        again = Stages()
        again.load_state_dict(state.state_dict())  # type: ignore[union-attr]
        state = again
    quarter, half = SOLUTION[:5], SOLUTION[: round(len(SOLUTION) / 2)]
    assert prompts == [["", ""], [quarter, quarter], [half, quarter], [half, quarter]]
    assert sampler.visits == {"a": 4, "b": 4}
    assert made.counts["guidance/solved/0.25"] == (1, 1)
    assert made.counts["guidance/difficult/0.5"] == (1, 2)
    assert made.counts["guidance/hinted"] == (2, 2)


def test_a_prompt_without_solution_never_moves_on_across_epochs() -> None:
    guidance = Hints(escalation="across_epochs")
    state = guidance.make_state()
    made = guidance.groups(examples("a"), 2, scripted(None, texts={}), state)
    assert state == Stages({})
    assert made.counts["guidance/without_solution"] == (1, 1)


def test_a_conversation_is_hinted_in_its_last_user_message() -> None:
    said = (Message("user", "Hi"), Message("assistant", "Hello"), Message("user", "1+1?"))
    asked = Example(id="a", source="given", prompt="1+1?", messages=said)
    found = hinted(asked, "2 is", "{prompt}\n{hint}", "here")
    assert found.messages == (*said[:2], Message("user", "1+1?\n2 is"))
    ended = hinted(
        dataclasses.replace(asked, messages=said[:2]), "2 is", "{prompt}\n{hint}", "here"
    )
    assert ended.messages == (*said[:2], Message("user", "2 is"))


def test_braces_in_prompt_and_hint_are_text() -> None:
    asked = Example(id="a", source="given", prompt="\\boxed{hint}")
    found = hinted(asked, "{prompt}", "{prompt} {hint}", "here")
    assert found.prompt == "\\boxed{hint} {prompt}"


@pytest.mark.parametrize(
    "values",
    [
        {"hint_ratios": [0.5, 0.25]},
        {"hint_ratios": [0.5, 0.5]},
        {"hint_ratios": [0.0, 0.5]},
        {"hint_ratios": [1.5]},
        {"template": "{prompt} and nothing"},
        {"template": "{prompt} {hint} {answer}"},
    ],
)
def test_ratios_that_do_not_rise_and_templates_without_places_are_refused(values: Any) -> None:
    with pytest.raises(ConfigError, match=next(iter(values))):
        build({"name": "hints", **values}, "objective/guidance")


def test_ghpo_without_hints_is_grpo_with_the_token_mean() -> None:
    ghpo = composed("objective=ghpo")
    grpo = composed("objective=grpo", "objective/aggregation=token_mean")
    grpo = dataclasses.replace(grpo, advantage=dataclasses.replace(grpo.advantage, epsilon=1e-4))
    rows = random_rows()
    for one, other in zip(
        loss_and_gradient(ghpo, rows)[:2], loss_and_gradient(grpo, rows)[:2], strict=True
    ):
        assert torch.equal(one, other)
