"""Hands of cards: solved as the published enumeration solves them, dealt apart, stable."""

from __future__ import annotations

import hashlib
import itertools
import json
from fractions import Fraction

import numpy as np
import pytest

from etude.data_mix.draw import Draw
from etude.data_mix.mix import Mix
from etude.data_mix.share import Share
from etude.errors import DataError
from etude.rows import Candidate, Outcome
from etude.sources.general_points import COLUMNS, GeneralPoints
from etude.tasks import cards
from etude.tasks.points_solver import solutions, solvable
from etude.verifier.general_points import GeneralPoints as Scorer

SOURCE = GeneralPoints(train_size=600, test_size=120)
SPLITS = (*cards.TRAINING, *cards.TESTS)


def every_solution(numbers: list[int], target: int) -> set[str]:
    """Return what each order, choice of operators and bracket gives, through Python's own eval."""
    found = set()
    count = len(numbers)
    pairs = [((a, b),) for a, b in itertools.combinations(range(count), 2) if b - a < count - 1]
    both = [((0, 1), (2, 3))] if count >= 4 else []
    for order in set(itertools.permutations(numbers)):
        for operators in itertools.product("+-*/", repeat=count - 1):
            for brackets in [(), *pairs, *both]:
                text, exact = "", ""
                for place, number in enumerate(order):
                    opened = "(" * sum(place == a for a, _ in brackets)
                    closed = ")" * sum(place == b for _, b in brackets)
                    operator = operators[place] if place < count - 1 else ""
                    text += f"{opened}{number}{closed}{operator}"
                    exact += f"{opened}F({number}){closed}{operator}"
                try:
                    if eval(exact, {"F": Fraction}) == target:
                        found.add(text)
                except ZeroDivisionError:
                    continue
    return found


@pytest.mark.parametrize(
    ("numbers", "target"),
    [([3, 3, 8, 8], 24), ([1, 5, 5, 5], 24), ([1, 1, 1, 1], 24), ([4, 4, 10], 24), ([2, 7], 14)],
    ids=str,
)
def test_the_solver_finds_every_formula_of_the_forms_and_no_other(numbers, target):
    found = solutions(numbers, target)
    assert len(set(found)) == len(found)
    assert set(found) == every_solution(numbers, target)
    assert solvable(np.array([numbers]), target)[0] == bool(found)
    assert solutions(numbers[::-1], target) == found


def test_hands_are_solvable_where_they_have_a_solution_and_nowhere_else():
    random = np.random.default_rng(3)
    hands = random.integers(1, 14, (60, 4))
    told = solvable(hands, 24)
    assert 0.5 < told.mean() < 1
    assert told.tolist() == [bool(solutions(hand.tolist(), 24)) for hand in hands]


@pytest.mark.parametrize("split", SPLITS)
def test_every_row_of_a_split_is_what_its_name_says(split):
    deal = {**cards.TRAINING, **cards.TESTS}[split]
    rows = SOURCE.rows(split, 0)
    size = 600 if split in cards.TRAINING else 120
    assert len(rows) == size == len(set(rows.column("id")))
    held_out = split in cards.TESTS
    verifier = Scorer()
    for place in range(0, len(rows), 29):
        row = rows[place]
        assert set(row) == set(COLUMNS)
        assert [row[name] for name in COLUMNS] == [
            rows.column(name, [place])[0] for name in COLUMNS
        ]
        ranks = [
            rank for name in row["cards"] for rank in range(1, 20) if cards.name_of(rank) == name
        ]
        assert len(ranks) == len(row["cards"]) == deal.cards
        assert cards.is_held_out(ranks) == held_out
        assert max(ranks) >= deal.least_of_last and max(ranks) <= deal.largest
        assert row["display_cards"] in [cards.values_of(ranks, rule) for rule in deal.rules]
        if deal.announced is None:
            assert row["announced_cards"] == row["display_cards"]
        else:
            assert row["announced_cards"] == cards.values_of(ranks, deal.announced)
        assert row["hand"] in row["prompt"] and row["rule"] in row["prompt"]
        verdict = verifier.judge(Candidate(row["id"], 0, row["prompt"], row["solution"], row))
        assert verdict.outcome is Outcome.CORRECT and verdict.parts["score"] == 5
        assert verdict.parts["validity"] == float(row["announced_cards"] == row["display_cards"])
        assert len(row["prompt"] + row["solution"]) <= 300


def test_rules_share_the_rows_of_a_split_and_a_row_states_its_own():
    for split in ("mixed", "diverse", "extensive"):
        rules = cards.TRAINING[split].rules
        said = SOURCE.rows(split, 0).column("rule")
        counts = {rule: said.count(cards.said(rule)) for rule in set(rules)}
        for rule, count in counts.items():
            assert abs(count - 600 * rules.count(rule) / len(rules)) <= rules.count(rule)


def test_no_hand_that_is_measured_is_trained_on_in_any_order_or_under_any_rule():
    def hands(splits):
        rows = [row for split in splits for row in SOURCE.rows(split, 0).column("cards")]
        return {tuple(sorted(hand)) for hand in rows}

    assert not hands(cards.TRAINING) & hands(cards.TESTS)
    made = [SOURCE.generate({"cards": 4.4, "largest": 13}, key)["cards"] for key in range(60)]
    assert not {tuple(sorted(hand)) for hand in made} & hands(cards.TESTS)


def test_fewer_rows_are_the_beginning_of_more_and_another_seed_has_others():
    few, many = (GeneralPoints(train_size=size).rows("mixed", 0).column("id") for size in (50, 300))
    assert list(few) == list(many)[:50]
    assert set(GeneralPoints(train_size=50, seed=1).rows("mixed", 0).column("id")) != set(few)


def test_the_rows_are_those_of_before():
    rows = GeneralPoints(train_size=40, test_size=20)
    text = json.dumps([dict(row) for split in ("mixed", "large") for row in rows.rows(split, 0)])
    assert hashlib.sha256(text.encode()).hexdigest()[:16] == "e555eaad4d4b9d38"


def test_each_row_has_one_of_several_prompts():
    source = GeneralPoints(
        train_size=200, prompt_formats=["{hand}: {target}? {rule}", "{rule}! {hand}"]
    )
    prompts = source.rows("train", 0).column("prompt")
    assert 60 < sum("24?" in prompt for prompt in prompts) < 140
    assert prompts == source.rows("train", 0).column("prompt")


def test_rows_are_made_by_parameters_that_are_any_numbers_in_their_ranges():
    made = [SOURCE.generate({"cards": 3.5, "jack": 7.25, "queen": 3}, key) for key in range(80)]
    assert made == [SOURCE.generate({"cards": 3.5, "jack": 7.25, "queen": 3}, k) for k in range(80)]
    assert 25 < sum(len(row["cards"]) == 4 for row in made) < 55
    assert {len(row["cards"]) for row in made} == {3, 4}
    assert 8 < sum(row["id"].endswith(":8,3,10") for row in made) < 36
    for row in made[:10]:
        answer = Candidate("made", 0, row["prompt"], row["solution"], row)
        assert Scorer().judge(answer).outcome is Outcome.CORRECT
    mix = Mix(train={"general_points": Share(limit=20)})
    stream = mix.stream({"general_points": SOURCE}, seed=1)
    found = stream.next(Draw(2, parameters={"general_points": [{"cards": 3}]}))
    assert [len(example.columns["cards"]) for example in found] == [3, 3]


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"ace": 2}, "no parameter 'ace'; it has cards, largest, jack, queen, king"),
        ({"cards": 6}, "parameter cards is 6; it is 3 to 5"),
        ({"king": float("nan")}, "parameter king is nan; it is 1 to 19"),
    ],
)
def test_parameters_that_there_are_not_are_refused(parameters, message):
    with pytest.raises(DataError, match=message):
        SOURCE.generate(parameters, 1)


def test_a_split_that_there_is_not_is_named_beside_those_there_are():
    with pytest.raises(DataError, match=r"no split 'all_6'; it has train, mixed, .*, fake_all_5"):
        SOURCE.rows("all_6", 0)


def test_a_target_that_hardly_any_hand_makes_leaves_rows_out():
    rows = GeneralPoints(target=997, train_size=40, redraws=1).rows("train", 0)
    assert len(rows) < 40
    assert all("997" in prompt for prompt in rows.column("prompt"))
