"""The budgets that come with etude: what they share out, and when they stop asking."""

from __future__ import annotations

import itertools
import random
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from etude.build import build
from etude.config.prepare import prepare
from etude.data_mix.history import Visits
from etude.errors import ConfigError
from etude.feedback import RowRecord
from etude.plan.graph import build_graph
from etude.rollout.budget.kind import Asked
from etude.rollout.budget.knapsack import Knapsack
from etude.rows import Example, Outcome

RATES = (0.0, 0.02, 0.1, 0.3, 0.5, 0.8, 0.95, 1.0, None)


def asked(
    sizes: Sequence[int],
    *,
    known: Sequence[Visits | None] = (),
    counts: Sequence[int] = (),
) -> Asked:
    examples = [Example(str(place), "given", "a prompt") for place in range(len(sizes))]
    return Asked(0, 4, 0, examples, sizes, list(known) or [None] * len(sizes), counts)


def answers(told: str) -> list[RowRecord]:
    """Return the records of answers: r right, w wrong, c the verifier failed."""
    outcomes = {"r": Outcome.CORRECT, "w": Outcome.WRONG, "c": Outcome.CRASHED}
    return [RowRecord("p", n, "given", {}, 3, outcomes[each]) for n, each in enumerate(told)]


def played(node: dict[str, Any], sizes: Sequence[int], told: Sequence[str]) -> list[list[int]]:
    """Return the numbers of each round where the answers come as told, prompt by prompt."""
    state = build(node, "rollout/budget").open(None)
    rounds = [list(state.sizes(asked(sizes)))]
    have = list(rounds[0])
    while any(rounds[-1]):
        rows = [answers(text[:count]) for text, count in zip(told, have, strict=True)]
        rounds.append(list(state.more(asked(sizes, counts=have), rows)))
        have = [a + b for a, b in zip(have, rounds[-1], strict=True)]
    return rounds[:-1]


def worth(budget: Knapsack, sizes: Sequence[int], rates: Sequence[float]) -> float:
    return sum(budget.value(size, rate) for size, rate in zip(sizes, rates, strict=True))


@pytest.mark.parametrize("seed", range(8))
def test_a_knapsack_is_packed_as_well_as_can_be(seed: int) -> None:
    rng = random.Random(seed)
    rates = [rng.choice([0.02, 0.1, 0.3, 0.5, 0.8, 0.95]) for _ in range(4)]
    budget = Knapsack(low=rng.choice([1, 2]), up=9, fallback=False)
    planned = [rng.choice([3, 4, 5])] * 4
    found = budget.share_out(rates, planned).sizes
    every = itertools.product(range(budget.low, budget.up + 1), repeat=4)
    best = max(worth(budget, sizes, rates) for sizes in every if sum(sizes) == sum(planned))
    assert sum(found) == sum(planned)
    assert worth(budget, found, rates) == pytest.approx(best, rel=1e-12)


@pytest.mark.parametrize("solver", ["greedy", "reference_dp"])
def test_all_that_is_planned_is_given_within_bounds_and_in_no_order_of_prompts(solver: str) -> None:
    rng = random.Random(3)
    for _ in range(60):
        rates = [rng.choice(RATES) for _ in range(rng.randint(1, 9))]
        planned = [rng.randint(1, 12)] * len(rates)
        budget = Knapsack(
            low=rng.choice([1, 2, 4]), up=20, fallback=rng.random() < 0.5, solver=solver
        )
        shares = budget.share_out(rates, planned)
        assert sum(shares.sizes) == sum(planned) and min(shares.sizes) >= 1
        useful = [size for size, rate in zip(shares.sizes, rates, strict=True) if rate == 0.3]
        if shares.sizes != planned:
            assert all(budget.low <= size <= budget.up for size in useful)
        assert not useful or max(useful) - min(useful) <= (1 if solver == "greedy" else 20)
        order = rng.sample(range(len(rates)), len(rates))
        again = budget.share_out([rates[i] for i in order], [planned[i] for i in order])
        for rate in set(rates):  # up to who of equal ones gets the extra one
            mine = sorted(s for s, r in zip(shares.sizes, rates, strict=True) if r == rate)
            theirs = sorted(s for s, i in zip(again.sizes, order, strict=True) if rates[i] == rate)
            if solver == "greedy":
                assert mine == theirs


def test_the_public_rule_falls_short_where_one_prompt_deserves_most() -> None:
    rates = [0.05, 0.98, 0.05, 0.05, 0.8, 0.1]
    found = {
        solver: Knapsack(low=2, up=16, fallback=False, solver=solver).share_out(rates, [3] * 6)
        for solver in ("greedy", "reference_dp")
    }
    assert found["greedy"].sizes == [2, 2, 2, 2, 3, 7]
    exact, short = (worth(Knapsack(), found[name].sizes, rates) for name in found)
    assert short < 0.9 * exact


def test_where_low_is_more_than_is_planned_it_stays_as_planned() -> None:
    assert Knapsack(low=4).share_out([0.5, 0.1, 0.0], [3, 3, 3]).sizes == [3, 3, 3]


def test_places_of_demonstrations_are_never_shared_away() -> None:
    found = Knapsack(low=2, fallback=False).share_out([0.5, 0.0, 1.0], [8] * 3, least=4)
    assert found.sizes == [16, 4, 4]


def test_pass_rates_are_those_of_the_last_visit_or_of_all() -> None:
    visits = [Visits(4, 8, 0, 4, 2, 1), Visits(4, 8, 2, 4, 2, 1)]
    for which, useful in (("last", 0.5), ("all", 1.0)):
        state = build({"name": "knapsack", "visits": which}, "rollout/budget").open(None)
        assert sum(state.sizes(asked([8, 8], known=visits))) == 16
        assert state.metrics()["useful"] == useful


@pytest.mark.parametrize(("solver", "seconds"), [("greedy", 0.2), ("reference_dp", 3.0)])
def test_a_large_batch_is_shared_out_in_no_time(solver: str, seconds: float) -> None:
    rng = random.Random(0)
    rates = [rng.randint(0, 16) / 16 for _ in range(512)]
    began = time.perf_counter()
    Knapsack(solver=solver).share_out(rates, [16] * 512)
    assert time.perf_counter() - began < seconds


def test_groups_with_right_and_wrong_answers_are_asked_no_further() -> None:
    node = {"name": "adaptive", "start": 2, "more": 3, "most": 6}
    told = ["rwrrrr", "wwwwww", "wwrwww", "rrrrrw", "cwwrww"]
    assert played(node, [4] * 5, told) == [[2] * 5, [0, 3, 3, 3, 3], [0, 1, 0, 1, 0]]


def test_enough_and_giving_up_say_when_a_group_is_decided() -> None:
    node = {"name": "adaptive", "start": 2, "more": 2, "most": 8, "enough": 2, "give_up": 4}
    told = ["rwrwrwrw", "rwwwwwww", "wwwwrrrr", "rrrrrrrr", "ccwwwwww"]
    assert played(node, [4] * 5, told) == [
        [2] * 5,
        [2] * 5,
        [0, 2, 0, 0, 2],  # one that the verifier failed on is neither right nor wrong
        [0, 2, 0, 0, 0],
    ]


def test_an_adaptive_budget_without_numbers_is_what_is_planned() -> None:
    assert played({"name": "adaptive"}, [3, 5], ["www", "rrrrr"]) == [[3, 5]]


def test_an_adaptive_budget_says_how_groups_ended() -> None:
    state = build({"name": "adaptive", "start": 2}, "rollout/budget").open(None)
    state.sizes(asked([2, 2, 2, 2]))
    batch = asked([2, 2, 2, 2], counts=[2, 2, 2, 2])
    assert not any(state.more(batch, [answers(each) for each in ("rw", "ww", "rr", "cc")]))
    assert state.metrics() == {"decided": 0.25, "all_right": 0.25, "all_wrong": 0.25}


def test_many_answers_come_in_chunks_and_the_last_one_is_smaller() -> None:
    node = {"name": "broad", "rollouts": 10, "chunk": 4}
    assert played(node, [3, 3], ["w" * 10] * 2) == [[4, 4], [4, 4], [2, 2]]
    assert played({"name": "broad", "chunk": 4}, [3, 9], ["w" * 9] * 2) == [[3, 4], [0, 4], [0, 1]]


def test_chunks_go_by_what_was_asked_for_however_many_rows_an_answer_is() -> None:
    state = build({"name": "broad", "rollouts": 6, "chunk": 4}, "rollout/budget").open(None)
    assert state.sizes(asked([3])) == [4]
    assert state.more(asked([3], counts=[4]), [answers("wwwwwwww")]) == [2]  # two turns each
    assert state.more(asked([3], counts=[6]), [answers("www")]) == [0]  # places given away


@pytest.mark.parametrize(
    ("node", "said"),
    [
        ({"name": "knapsack", "low": 9, "up": 8}, "is 9, above rollout.budget.up=8"),
        ({"name": "adaptive", "start": 9, "most": 8}, "is 9, above rollout.budget.most=8"),
    ],
)
def test_bounds_that_cross_are_refused(node: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        build(node, "rollout/budget")


def test_the_chunk_is_part_of_the_experiment() -> None:
    """A prompt that comes again in a step, and an episode that branches, get others by it."""

    def printed(chunk: int) -> str:
        chosen = ["recipe=rl", "rollout/budget=broad", f"rollout.budget.chunk={chunk}"]
        graph = build_graph(prepare(chosen).runs, outputs=Path("outputs"))
        return list(graph.stages.values())[-1].fingerprint

    assert printed(6) != printed(2)
