"""A verifier that cannot read the answers that a source makes is refused before anything starts."""

from __future__ import annotations

import pytest

from etude.config import first_look
from etude.config.prepare import prepare
from etude.errors import ConfigError
from etude.schema import built_in
from etude.sources.interface import NUMBERS


def faults(*words: str) -> list[str]:
    try:
        prepare(["recipe=rl", *words])
    except ConfigError as error:
        return [fault.message for fault in error.faults]
    return []


@pytest.mark.parametrize("mix", ["arithmetic_tools", "reverse_text", "sokoban"])
def test_answers_that_a_verifier_cannot_read_are_refused(mix: str) -> None:
    [message] = faults(f"data_mix={mix}", "verifier=number")
    assert (
        f"data_mix.held_out.{mix}: the verifier number cannot read the right answer of" in message
    )
    assert "verifier=math  if another one reads them" in message
    assert f"the rows are made by sources.{mix}" in message and ".columns." not in message


def test_they_are_refused_too_where_nothing_is_measured() -> None:
    [message] = faults("data_mix=sokoban", "verifier=number", "evaluation=null")
    assert message.startswith("data_mix.train.sokoban: the verifier number cannot read")


@pytest.mark.parametrize(
    "words", [("data_mix=sokoban", "verifier=sokoban"), ("data_mix=sokoban", "verifier=math")]
)
def test_answers_that_it_reads_are_well(words: tuple[str, ...]) -> None:
    assert faults(*words) == []


def test_a_column_that_a_source_does_not_make_is_told_once() -> None:
    [message] = faults("data_mix=general_points", "verifier=number")
    assert "needs the data column 'answer'" in message


def test_rows_whose_answers_are_plain_numbers_are_not_made(monkeypatch: pytest.MonkeyPatch) -> None:
    def looked(*_: object) -> None:
        raise AssertionError("rows were made to show what their source says")

    monkeypatch.setattr(first_look, "_looked_at", looked)
    assert faults("data_mix=arithmetic", "verifier=number") == []
    [info] = [
        each for name, each in built_in().components["sources"].items() if name == "arithmetic"
    ]
    assert NUMBERS in {need.what for need in info.provides}
