"""Sokoban answers: which count, what they earn, and what is said of them."""

from __future__ import annotations

import pickle
import random
import time

import pytest

from etude.rows import Candidate, Outcome
from etude.tasks.sokoban_labels import SPACES, action_of, answers_block
from etude.verifier.sokoban import Sokoban

ROW = {"actions": [3, 1], "space": "base"}


def judged(text: str, columns=None, prompt: str = "", **options):
    candidate = Candidate("room", 0, prompt, text, ROW if columns is None else columns, length=5)
    (verdict,) = Sokoban(**options).verdicts([candidate])
    return verdict


def tagged(actions: str) -> str:
    return f"<think>so</think> <answer>{actions}</answer>"


@pytest.mark.parametrize(
    ("actions", "score", "outcome", "told"),
    [
        ("Left Up", 1, Outcome.CORRECT, None),
        ("left,up", 1, Outcome.CORRECT, None),
        ("3; 1(Down)", 1, Outcome.CORRECT, None),
        ("left up right", 1, Outcome.CORRECT, None),
        ("up left", 0.1, Outcome.WRONG, "the actions are [1, 3] and [3, 1] are right"),
        ("up left up", 0, Outcome.WRONG, "the first actions are [1, 3]"),
        ("left", 0, Outcome.WRONG, "too few actions are given: 1 of 2"),
        ("left fly", 0, Outcome.WRONG, "action 2 is none"),
        (" ", 0, Outcome.NO_ANSWER, "nothing stands in"),
    ],
)
def test_actions_earn_what_the_rule_says(actions, score, outcome, told):
    verdict = judged(tagged(actions))
    assert verdict.parts["score"] == score and verdict.outcome is outcome
    assert verdict.parts["accuracy"] == float(score == 1)
    assert verdict.detail is None if told is None else told in (verdict.detail or "")


@pytest.mark.parametrize(
    "text",
    [
        "left up",
        "<answer>left up</answer>",
        "<think>a</think>left up",
        "<answer>left up</answer><think>a</think>",
        "<think>a</think><think>b</think><answer>left up</answer>",
        "<think>a</think><answer>up</answer><answer>left up</answer>",
        "<think>a</think><answer>left up",
        "<think>a</think><action>left up</action>",
        "<think>a</think><answer>left\nup</answer>",
    ],
)
def test_without_a_thought_and_an_answer_in_their_tags_nothing_is_earned(text):
    verdict = judged(text)
    assert verdict.parts["score"] == verdict.parts["format"] == verdict.parts["accuracy"] == 0
    assert verdict.outcome in (Outcome.WRONG, Outcome.NO_ANSWER)


def test_a_thought_that_the_prompt_opened_is_the_answers():
    rest = "so</think> <answer>left up</answer>"
    assert judged(rest, prompt="Go. <think>").parts["score"] == 1
    assert judged(rest, prompt="Go. <think>\n").parts["score"] == 1
    assert judged(rest, prompt="Go.").parts["score"] == 0
    assert judged(f"<think>{rest}", prompt="Go. <think>").parts["score"] == 0


def test_labels_are_those_of_the_row_of_the_prompt_or_of_one_vocabulary():
    words = ["otter", "moss", "teal", "ladder"]
    prompt = f"Go.\n{answers_block(words)}"
    row = {"actions": [3], "space": words}
    assert judged(tagged("teal"), row, prompt).parts["score"] == 1
    assert judged(tagged("TEAL"), row, prompt, labels="prompt").parts["score"] == 1
    assert judged(tagged("Left"), row, prompt, labels="prompt").parts["score"] == 0
    assert judged(tagged("west"), row, prompt, labels="cardinal").parts["score"] == 1
    unread = judged(tagged("teal"), row, "Go.", labels="prompt")
    assert unread.parts["score"] == 0 and "announces no labels" in (unread.detail or "")


def test_validity_goes_by_what_the_prompt_announces_and_the_score_by_what_counts():
    prompt = f"Go.\n{answers_block(SPACES['numerical'])}"
    row = {"actions": [3], "space": "base"}
    ignored, followed = (judged(tagged(text), row, prompt) for text in ("Left", "4"))
    assert (ignored.parts["score"], ignored.parts["validity"]) == (1, 0)
    assert (followed.parts["score"], followed.parts["validity"]) == (0.1, 1)
    assert judged(tagged("Left"), row, "Go.").parts["validity"] == 1
    assert judged(tagged("3"), row, "Go.").parts["validity"] == 0  # counts, and is no label
    assert judged(tagged(" "), row, prompt).parts["validity"] == 0


def test_an_effective_action_moves_the_player():
    row = {**ROW, "actions": [4], "room": ["#####", "#PXO#", "#####"]}
    for text, moves in (("right", 1), ("left", 0), ("fly", 0), ("", 0)):
        assert judged(tagged(text), row, effective=True).parts["effective"] == moves
    assert "effective" not in judged(tagged("right"), row).parts


def test_a_score_for_wrong_actions_is_what_the_config_says():
    assert judged(tagged("up up"), format_score=0.0).parts["score"] == 0
    assert judged(tagged("up up"), format_score=-0.5).parts["score"] == -0.5


@pytest.mark.parametrize(
    ("columns", "told", "options"),
    [
        ({"actions": [], "space": "base"}, "no list of actions", {}),
        ({"actions": [0], "space": "base"}, "no list of actions", {}),
        ({"actions": [[1]], "space": "base"}, "no list of actions", {}),
        ({"actions": None, "space": "base"}, "no list of actions", {}),
        ({"actions": [1], "space": "martian"}, "no vocabulary in the column space", {}),
        ({"actions": [1], "space": ["a", "b"]}, "no vocabulary", {}),
        ({"actions": [1], "space": "martian"}, None, {"labels": "prompt"}),
        ({"actions": [1], "space": "base", "room": ["#"]}, "no room", {"effective": True}),
        ({"actions": [1], "space": "base", "room": 7}, "no room", {"effective": True}),
    ],
)
def test_a_row_that_cannot_be_judged_is_told_before_any_answer(columns, told, options):
    problem = Sokoban(**options).unreadable(columns)
    assert problem is None if told is None else told in (problem or "")


@pytest.mark.parametrize(
    "text",
    [
        "<answer>" * 120_000,
        "<answer>" + "up " * 300_000 + "</answer>",
        tagged("up " * 300_000),
        "<think>" * 140_000,
        "1(" * 400_000,
        tagged("\ud800" * 1000),
    ],
    ids=["opened", "long", "long and tagged", "thoughts", "brackets", "half characters"],
)
def test_whatever_an_answer_is_it_is_judged_in_a_moment(text):
    began = time.perf_counter()
    verdict = judged(text, prompt="Answers: " + "<answer>" * 1000, labels="prompt")
    assert not verdict.outcome.failed and "score" in verdict.parts
    assert not judged(text).outcome.failed
    assert time.perf_counter() - began < 4


def test_random_texts_name_an_action_only_as_the_rule_says():
    draw = random.Random(2)
    for space, labels in SPACES.items():
        known = {label.casefold(): n for n, label in enumerate(labels, start=1)}
        for _ in range(500):
            text = "".join(draw.choices(["1", "4", "(", ")", " ", *labels], k=draw.randint(1, 4)))
            found = action_of(text, labels)
            bare = text.strip()
            if bare.casefold() in known:
                assert found == known[bare.casefold()], (space, text)
            elif found:
                assert bare == str(found) or bare.startswith(f"{found}"), (space, text)


def test_it_is_sent_to_workers_by_pickling():
    assert pickle.loads(pickle.dumps(Sokoban(labels="prompt"))) == Sokoban(labels="prompt")
