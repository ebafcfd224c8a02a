"""Values against the types that components declare."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Literal

import pytest

from etude.component import option
from etude.config.conditions import holds
from etude.config.reflect import describe_fields, first_sentence
from etude.config.values import Misfit, fit
from etude.schema import FieldInfo


class Kind(StrEnum):
    A = "a"
    B = "b"


@dataclass(frozen=True)
class Inner:
    size: int = option(1, "size", ge=1)


@dataclass(frozen=True)
class Everything:
    a_bool: bool = option(True, "x")
    an_int: int = option(1, "x", ge=1, lt=10)
    a_float: float = option(1, "x")
    a_text: str = option("t", "x")
    optional: float | None = option(None, "x")
    a_list: list[int] = option([1], "x")
    a_pair: tuple[float, float] = option((0.0, 1.0), "x")
    a_dict: dict[str, float] = option({}, "x")
    a_literal: Literal["x", "y"] = option("x", "x")
    an_enum: Kind = option(Kind.A, "x")
    a_choice: int = option(1, "x", choices=(1, 2))
    a_union: int | str = option("auto", "x")
    structs: list[Inner] = option([], "x")
    anything: Any = option(None, "x")


FIELDS = {key: FieldInfo.of(key, entry) for key, entry in describe_fields(Everything, "").items()}


@pytest.mark.parametrize(
    ("key", "given", "fitted"),
    [
        ("a_bool", False, False),
        ("an_int", 3.0, 3),
        ("a_float", 2, 2.0),
        ("a_text", 2024, "2024"),
        ("optional", None, None),
        ("a_list", [1, 2.0], [1, 2]),
        ("a_pair", [0, 1], [0.0, 1.0]),
        ("a_dict", {"k": 1}, {"k": 1.0}),
        ("a_literal", "y", "y"),
        ("an_enum", "b", "b"),
        ("a_choice", 2, 2),
        ("a_union", 3, 3),
        ("a_union", "auto", "auto"),
        ("structs", [{}], [{"size": 1}]),
        ("anything", {"x": [1]}, {"x": [1]}),
        ("an_int", "${training.steps}", "${training.steps}"),
    ],
)
def test_a_fitting_value_takes_its_declared_form(key: str, given: Any, fitted: Any) -> None:
    value = fit(given, FIELDS[key])
    assert value == fitted
    assert type(value) is type(fitted)


@pytest.mark.parametrize(
    ("key", "given", "reason"),
    [
        ("a_bool", 1, "true or false"),
        ("an_int", True, "a whole number"),
        ("an_int", 1.5, "a whole number"),
        ("an_int", 0, "at least 1"),
        ("an_int", 10, "less than 10"),
        ("a_float", "fast", "a number"),
        ("a_float", None, "cannot be null"),
        ("a_text", True, "text"),
        ("a_list", 3, "a list of a whole number"),
        ("a_pair", [1.0], "a list of 2 values"),
        ("a_literal", "z", "one of x, y"),
        ("an_enum", "c", "one of a, b"),
        ("a_choice", 3, "one of 1, 2"),
        ("a_union", [1], "a whole number or text"),
        ("structs", [{"sise": 2}], "no 'sise'"),
        ("structs", [{"size": 0}], "at least 1"),
    ],
)
def test_a_misfit_says_what_fits(key: str, given: Any, reason: str) -> None:
    with pytest.raises(Misfit, match=reason):
        fit(given, FIELDS[key])


@pytest.mark.parametrize(
    ("when", "true"),
    [
        ("", True),
        ("coef > 0", True),
        ("coef > 0.5", False),
        ("mode == 'reward'", True),
        ("mode != 'reward", None),
        ("mode", True),
        ("coef < inner.x", True),
        ("inner.x % 2 == 0 and 2 * coef < 1", True),
        ("missing > 0 or flag", True),
        ("not coef > missing", False),
        ("max(sizes) < 4 and rising(sizes)", True),
        ("columns(template) == ['a', 'b']", True),
        ("open('x')", None),
        ("[x for x in sizes]", None),
        ("lambda: 1", None),
        ("missing > 0", False),
        ("missing == null", True),
        ("response != None", True),
        ("mode in ['loss', 'reward'] and coef >= 0.1", True),
        ("mode not in ['reward']", False),
        ("flag == true", True),
        ("inner.x < 3", True),
        ("__import__('os').system('x')", None),
    ],
)
def test_conditions_are_read_without_evaluating_code(when: str, true: bool | None) -> None:
    node = {"coef": 0.1, "mode": "reward", "response": "t", "flag": True, "inner": {"x": 2}}
    node |= {"sizes": [1, 3], "template": "{b} {a} {{c}}"}
    if true is None:
        with pytest.raises(ValueError, match="is no"):
            holds(when, node)
    else:
        assert holds(when, node) is true


def test_the_first_sentence_of_a_docstring() -> None:
    assert first_sentence("One thing, e.g. this.\n\nMore.") == "One thing, e.g. this."
    assert first_sentence("Over\n    two lines. Then more.") == "Over two lines."
    assert first_sentence(None) == ""
