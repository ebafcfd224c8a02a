"""Problems made from continuous parameters: right, keyed, never held out, and as hard as asked."""

import hashlib
import json
from statistics import fmean

import pytest

from etude.data_mix.draw import Draw
from etude.data_mix.mix import Mix
from etude.data_mix.share import Share
from etude.errors import DataError, StageError
from etude.sources.arithmetic import Arithmetic
from etude.sources.arithmetic_levels import LEVELS, level_of
from etude.sources.arithmetic_tools import ArithmeticTools

SOURCE = Arithmetic()
CASES = [
    {"terms": 2, "digits": 1},
    {"terms": 2.5, "digits": 1.5, "products": 0.3},
    {"terms": 4.2, "digits": 2.7, "products": 1.0},
    {"terms": 12, "digits": 6, "products": 0.5},
    {},
]


def made(parameters, count=200):
    return [SOURCE.generate(parameters, key) for key in range(count)]


@pytest.mark.parametrize("parameters", CASES, ids=str)
def test_every_made_problem_and_every_worked_step_is_right(parameters):
    for row in made(parameters):
        assert str(eval(row["id"])) == row["answer"] and int(row["answer"]) >= 0
        *steps, final = row["solution"].split(" ")
        assert final == f"A:{row['answer']}"
        for step in steps:
            left, right = step.split("=")
            assert eval(left) == int(right), row
        assert row["prompt"] == f"{row['id']}="


def test_a_key_and_parameters_decide_a_problem():
    for parameters in CASES:
        assert made(parameters) == made(parameters)
        assert len({row["id"] for row in made({**parameters, "digits": 4})}) > 195
    assert SOURCE.generate({"digits": 3}, 1) == Arithmetic(seed=9).generate({"digits": 3}, 1)


def test_no_made_problem_is_one_that_is_held_out_and_those_of_a_level_say_so():
    held_out = set(Arithmetic(test_size=10**6).rows("test", 0).column("id"))
    found = [*made({}, 2000), *made({"terms": 3}, 500), *made({"products": 1}, 500)]
    assert not held_out & {row["id"] for row in found}
    assert {row["level"] for row in found} >= {2, 6, 9}
    levels = Arithmetic().rows("train", 0)
    for place in range(0, len(levels), 97):
        expression = levels.expression(place)
        level, code = level_of(expression)
        assert level == levels[place]["level"]
        assert LEVELS[level - 1].expression(code) == expression


def test_difficulty_grows_with_every_parameter_by_any_amount():
    def terms(parameters):
        return fmean(1 + sum(map(row["id"].count, "+-*")) for row in made(parameters, 2000))

    def size(parameters):
        return fmean(
            int(row["id"].replace("-", "+").split("+")[0]) for row in made(parameters, 2000)
        )

    def products(parameters):
        return fmean("*" in row["id"] for row in made(parameters, 2000))

    assert [round(terms({"terms": t, "digits": 3}), 1) for t in (2, 2.3, 3.8)] == [2.0, 2.3, 3.8]
    sizes = [size({"digits": d}) for d in (1.0, 1.1, 1.6, 2.0, 2.05)]
    assert sizes == sorted(sizes) and sizes[0] < sizes[1] < sizes[-1]
    assert products({"products": 0.25}) == pytest.approx(0.25, abs=0.04)


def test_the_rows_of_the_levels_are_those_of_before():
    text = json.dumps(
        [dict(row) for row in Arithmetic(train_size=50, test_size=9).rows("train", 0)]
    )
    assert hashlib.sha256(text.encode()).hexdigest()[:16] == "1fee788f8837db75"


def test_a_draw_has_problems_made_whose_parameters_are_told():
    mix = Mix(train={"arithmetic": Share(limit=20)})
    stream = mix.stream({"arithmetic": SOURCE}, seed=1)
    asked = [{"digits": 1.2}, {"digits": 3.4, "terms": 5}]
    found = stream.next(Draw(4, parameters={"arithmetic": asked}))
    assert [example.columns["parameters"] for example in found] == [*asked, *asked]
    assert all(example.id == f"arithmetic:{example.columns['id']}" for example in found)
    again = mix.stream({"arithmetic": SOURCE}, seed=1)
    assert again.next(Draw(4, parameters={"arithmetic": asked})) == found


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"size": 2}, "no parameter 'size'; it has terms, digits, products"),
        ({"digits": 0.5}, "digits is 0.5; it is 1 to 6"),
        ({"terms": float("nan")}, "terms is nan; it is 2 to 12"),
    ],
)
def test_parameters_that_there_are_not_are_refused(parameters, message):
    with pytest.raises(DataError, match=message):
        SOURCE.generate(parameters, 1)


def test_a_source_that_makes_no_rows_is_named():
    mix = Mix(train={"arithmetic_tools": Share(limit=20)})
    stream = mix.stream({"arithmetic_tools": ArithmeticTools()}, seed=1)
    with pytest.raises(StageError, match=r"sources\.arithmetic_tools makes no rows"):
        stream.next(Draw(1, parameters={"arithmetic_tools": [{}]}))
