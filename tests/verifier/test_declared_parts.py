"""Which parts a verifier gives is known before it judges: from its options, and what it wraps."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from etude.build import build
from etude.component import component, slot
from etude.config.declared_parts import parts_of
from etude.environment.interface import PARTS
from etude.schema import built_in, load
from etude.verifier import declared
from etude.verifier.interface import Verifier
from etude.verifier.number import Number

NUMBERS = {"accuracy", "format", "length"}


@component(group="verifier", name="wrapper of a test", provides=("part:judged",))
@dataclass(frozen=True)
class Wrapper(Verifier):
    """Asks another verifier."""

    rule: Verifier | None = slot("number", "asked first", group="verifier")


@component(group="verifier", name="silent wrapper of a test")
@dataclass(frozen=True)
class Silent(Verifier):
    """Changes what another verifier finds."""

    rule: Verifier | None = slot("number", "asked first", group="verifier")


@pytest.mark.parametrize(
    ("node", "parts"),
    [
        ({"name": "number"}, NUMBERS),
        ({"name": "number", "thought": True}, NUMBERS | {"thought"}),
    ],
)
def test_parts_follow_from_the_options_before_and_after_a_verifier_is_built(
    node: dict[str, object], parts: set[str]
) -> None:
    assert parts_of(node, load()) == parts
    assert declared.parts_of(build(node, "verifier")) == tuple(sorted(parts))


def test_every_verifier_of_etude_says_which_parts_it_gives_and_what_it_compares_with() -> None:
    for name, info in built_in().components["verifier"].items():
        if any(need.what == PARTS for need in info.provides):
            continue  # it gives those of the environments, and compares nothing
        assert parts_of({"name": name}, built_in()), name
        wraps = any("verifier" in (field.slot, field.slots) for field in info.fields.values())
        assert wraps or any(need.what.startswith("column:") for need in info.requires), name


def test_a_wrapper_gives_the_parts_of_what_it_wraps_beside_its_own() -> None:
    inner = Wrapper(rule=Number(thought=True))
    assert declared.parts_of(inner) == ("accuracy", "format", "judged", "length", "thought")
    assert declared.parts_of(Silent(rule=inner)) == declared.parts_of(inner)


def test_parts_are_unknown_where_something_inside_does_not_say() -> None:
    assert declared.parts_of(Silent(rule=None)) is None
    assert declared.parts_of(Wrapper(rule=Silent(rule=None))) is None
