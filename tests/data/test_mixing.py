"""Shares of parts that are tempered or move through a stage; rows drawn by what they returned."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from etude.config.prepare import prepare
from etude.data_mix.filter.top_returns import TopReturns
from etude.data_mix.mix import Mix
from etude.data_mix.mixing.fixed import Fixed
from etude.data_mix.mixing.kind import Mixing
from etude.data_mix.mixing.scheduled import Point, Scheduled
from etude.data_mix.mixing.tempered import Tempered
from etude.data_mix.sampling.passes import Passes
from etude.data_mix.sampling.return_weighted import ReturnWeighted
from etude.data_mix.share import Share
from etude.data_mix.stream import Stream
from etude.errors import ConfigError, DataError
from etude.primitives.trajectories import return_probabilities

STEPS = 20


class Listed(list[Any]):
    def column(self, name: str, positions: Any = None) -> list[Any]:
        places = range(len(self)) if positions is None else positions
        return [self[place][name] for place in places]


@dataclass(frozen=True)
class Rewarded:
    """A source of rows whose reward is their number modulo five."""

    size: int

    def rows(self, split: str, *given: Any) -> Listed:
        return Listed(
            {"id": str(n), "prompt": f"Say {n // 2}", "answer": str(n), "reward": float(n % 5)}
            for n in range(self.size)
        )


SOURCES: Any = {"few": Rewarded(10), "many": Rewarded(90)}
PARTS = {"few": Share(), "many": Share()}
TURN = Scheduled(
    points={
        "late": Point(at=0.75, weights={"many": 2.0}),
        "early": Point(at=0.25, weights={"few": 3.0, "many": 1.0}),
    }
)


def opened(mixing: Mixing | None = None, **more: Any) -> Stream:
    return Mix(train=PARTS, mixing=mixing, **more).stream(SOURCES, seed=1)


def stepped(stream: Stream, steps: range, rows: int = 8) -> list[list[str]]:
    """The ids of each step, the stream being told of every finished one."""
    found = []
    for step in steps:
        found.append([f"{e.source}{e.id}" for e in stream.next(rows)])
        stream.observe(SimpleNamespace(step=step, steps=STEPS))  # type: ignore[arg-type]
    return found


def of_few(steps: list[list[str]]) -> list[int]:
    return [sum(name.startswith("few") for name in names) for names in steps]


@pytest.mark.parametrize("neutral", [Fixed(), Tempered(temperature=1.0), Scheduled()])
def test_neutral_mixing_draws_the_rows_of_a_mix_without_any(neutral: Mixing) -> None:
    assert stepped(opened(neutral), range(STEPS)) == stepped(opened(), range(STEPS))
    assert opened(neutral, sampling=Passes()).next(50) == opened().next(50)


def test_a_higher_temperature_brings_the_shares_together() -> None:
    own = {"few": 10.0, "many": 90.0}
    shares = [Tempered(temperature=t).weights(own, 0.0) for t in (1.0, 2.0, 1e5)]
    assert [found["few"] / found["many"] for found in shares] == pytest.approx(
        [1 / 9, 1 / 3, 1.0], rel=1e-3
    )
    limited = Tempered(temperature=1.0, limit=30).weights(own, 0.0)
    assert limited["few"] / limited["many"] == pytest.approx(1 / 3)
    drawn = Counter(example.source for example in opened(Tempered(temperature=2.0)).next(400))
    assert drawn == {"few": 100, "many": 300}


def test_a_schedule_goes_from_mix_to_mix_and_stays_at_the_last() -> None:
    few = of_few(stepped(opened(TURN), range(STEPS)))
    assert sum(few[:5]) == 30  # three in four
    assert few[16:] == [0, 0, 0, 0]
    # on the way the share falls in a line: step s is drawn at s / 20
    way = [8 * 0.75 * (1 - (step / STEPS - 0.25) / 0.5) for step in range(5, 16)]
    assert sum(few[5:16]) == pytest.approx(sum(way), abs=1)
    held = of_few(stepped(opened(replace(TURN, between="step")), range(STEPS)))
    assert sum(held[:15]) == 90
    assert held[15:] == [0] * 5


@pytest.mark.parametrize("stop", [0, 1, 6, 11, 16, 19])
@pytest.mark.parametrize("sampling", [Passes(), ReturnWeighted()])
def test_resumed_at_any_step_it_goes_on_as_if_it_had_not_stopped(stop: int, sampling: Any) -> None:
    whole = stepped(opened(TURN, sampling=sampling), range(STEPS))
    before = opened(TURN, sampling=sampling)
    stepped(before, range(stop))
    after = opened(TURN, sampling=sampling)
    after.load_state_dict(json.loads(json.dumps(before.state_dict())))
    assert stepped(after, range(stop, STEPS)) == whole[stop:]


def test_rows_are_drawn_as_often_as_their_return_says() -> None:
    sampling = ReturnWeighted(temperature=0.5)
    stream = Mix(train={"many": Share()}, sampling=sampling).stream(SOURCES, seed=3)
    drawn = Counter(int(example.id.rpartition(":")[2]) % 5 for example in stream.next(20_000))
    expected = return_probabilities(np.arange(5.0), 0.5) * 20_000
    for reward, count in enumerate(expected):
        assert drawn[reward] == pytest.approx(count, abs=4 * count**0.5)
    found = stream.findings.filtered
    assert found["data/many/drawn_return"] > found["data/many/mean_return"] == 2.0
    assert found["data/many/effective_rows"] < 90


def test_a_constant_on_all_returns_changes_nothing_and_heat_makes_them_alike() -> None:
    returns = np.array([0.0, 1.0, 5.0])
    moved = return_probabilities(returns - 7, 0.1)
    assert moved == pytest.approx(return_probabilities(returns, 0.1))
    assert return_probabilities(returns, 1e6) == pytest.approx([1 / 3] * 3, rel=1e-5)
    assert return_probabilities(np.array([4.0]), 0.1).tolist() == [1.0]


def test_above_the_mean_of_its_prompt_is_what_counts_under_that_baseline() -> None:
    rows = {"prompt": ["a", "a", "b", "b"], "reward": [0.0, 1.0, 10.0, 11.0]}
    found = ReturnWeighted(baseline="prompt").weigh(rows).probabilities
    assert found is not None
    assert found[0] == found[2] < found[1] == found[3]


def test_one_wild_return_does_not_drown_the_others_once_it_is_clipped() -> None:
    rows = {"reward": [*map(float, range(99)), 1e6]}
    plain, clipped = (ReturnWeighted(clip=share).weigh(rows) for share in (0.0, 0.02))
    assert plain.findings["effective_rows"] < 1.1 < 5 < clipped.findings["effective_rows"]


@pytest.mark.parametrize("value", [None, "much", float("nan"), float("inf")])
def test_a_return_that_is_no_number_is_named_with_its_part(value: Any) -> None:
    class Bad(Rewarded):
        def rows(self, split: str, *given: Any) -> Listed:
            found = super().rows(split)
            found[3] = {**found[3], "reward": value}
            return found

    for more in ({"sampling": ReturnWeighted()}, {"filter": {"top": TopReturns()}}):
        mix = Mix(train={"rows": Share()}, **more)  # type: ignore[arg-type]
        with pytest.raises(DataError, match=r"train\.rows: the column 'reward' is .* in row 3"):
            mix.stream({"rows": Bad(9)}, seed=1)  # type: ignore[dict-item]


def test_parts_that_are_not_trained_on_are_refused_by_name() -> None:
    start = "data_mix.mixing.points"
    with pytest.raises(ConfigError) as refused:
        prepare(
            [
                "recipe=rl",
                "data_mix/mixing=scheduled",
                f"{start}.first={{at:0,weights:{{arithmetics:1}}}}",
                f"{start}.last={{at:1,weights:{{arithmetic:1}}}}",
            ]
        )
    said = str(refused.value)
    assert f"{start}.first.weights.arithmetics" in said
    assert "arithmetic" in said
    assert "gives no part of data_mix.train any weight" in said


def test_a_column_that_no_row_has_is_refused_when_composed() -> None:
    with pytest.raises(ConfigError, match="needs the data column 'reward'"):
        prepare(["recipe=rl", "data_mix/sampling=return_weighted"])
