"""Failed episodes relabelled: played again for what they reached, and accepted by the verifier."""

from collections.abc import Iterator, Mapping, Sequence
from random import Random
from types import SimpleNamespace
from typing import Any

import pytest

from etude.build import build
from etude.environment.opened import Environments, OpenEnvironments
from etude.objective.generate import Generate
from etude.objective.hindsight import Hindsight
from etude.rollout.episode.environment import WithEnvironment
from etude.rollout.replay import conversation, replayed
from etude.rows import Candidate, Ended, Example, Message, Outcome, Row
from etude.tasks.points_moves import PointsMoves
from etude.verifier.environment import FromEnvironment, Judge

EPISODE = WithEnvironment()
NO_CALLS = SimpleNamespace(read=lambda text, tools: SimpleNamespace(calls=()))
JUDGE = Judge(FromEnvironment())


@pytest.fixture(scope="module")
def environments() -> Iterator[OpenEnvironments]:
    made = build({"name": "general_points", "target": None}, "environment")
    opened = OpenEnvironments(Environments({"environment": made}), 1)
    yield opened
    opened.close()


def judged(row: Row) -> Row:
    candidate = Candidate("i", 0, "", row.text, row.example.columns, ended=row.ended)
    row.verdict = JUDGE.judge([candidate])[0]
    row.reward = row.verdict.parts.get("accuracy", 0.0)
    return row


def played(environments: OpenEnvironments, number: int, index: int) -> Row:
    """Return an episode of moves that are legal and else at random, with one that is none first."""
    example = Example(f"episodes:train 2.{number}", "episodes", "", columns={"level": 2})
    (begun,) = environments.begin([example], EPISODE.memory, 1000)
    game, random = PointsMoves(target=None), Random(f"{number} {index}")
    said = game.reset(begun.seed, level=2)
    text = "what?"
    while not game.done:
        messages, _ = game.step(text)
        said += [{"role": "assistant", "content": text}, *messages]
        if len(game.left) > 1:
            one, other = random.sample(game.left, 2)
            text = f"{one}{random.choice('+*')}{other}"
    ended = Ended(
        "environment",
        game.parts(),
        goal=game.goal_of([]),
        said=tuple(Message(each["role"], each["content"]) for each in said),
    )
    row = Row(example.id, index, (1,), (2,), [1], example, text=text, ended=ended)
    return judged(row)


class Sampler:
    """What a step gives an objective, over environments that are really played."""

    def __init__(self, environments: OpenEnvironments) -> None:
        self._environments = environments

    def conversation(self, row: Row) -> Any:
        return conversation(row, "user")

    def replayed(self, rows: Sequence[Row], goals: Sequence[Mapping[str, Any]]) -> list[Row | None]:
        found = replayed(rows, goals, EPISODE, self._environments, NO_CALLS)  # type: ignore[arg-type]
        return [row and judged(row) for row in found]


@pytest.fixture(scope="module")
def groups(environments: OpenEnvironments) -> list[list[Row]]:
    return [[played(environments, number, index) for index in range(6)] for number in range(8)]


def test_every_relabelled_row_wins_the_game_that_it_is_a_row_of(
    environments: OpenEnvironments, groups: list[list[Row]]
) -> None:
    harvest = Hindsight(most_relabelled=1.0).harvest(groups, Sampler(environments))  # type: ignore[arg-type]
    rows = [row for row in harvest.rows if row["relabelled"]]
    assert len(rows) > 10
    for row in rows:
        target, _, cards = row["prompt"].strip().partition(": ")
        game = PointsMoves(target=None)
        game.reset(0, cards=[int(card) for card in cards.split()], target=int(target))
        for turn in row["turns"]:
            if turn["role"] == "assistant":
                messages, _ = game.step(turn["content"])
            else:
                assert messages == [turn]
        assert game.parts()["accuracy"] == 1.0
        assert row["target"] == int(target)
        assert row["turns"][-1]["role"] == "assistant"
    asked = {row.ended.said[0].content for group in groups for row in group if row.ended}
    assert not {row["prompt"] for row in rows} & asked


def test_without_relabelling_it_is_expert_iteration(
    environments: OpenEnvironments, groups: list[list[Row]]
) -> None:
    plain = Generate().harvest(groups, Sampler(environments))  # type: ignore[arg-type]
    off = Hindsight(relabel=False).harvest(groups, Sampler(environments))  # type: ignore[arg-type]
    right = [row for group in groups for row in group if row.verdict.outcome is Outcome.CORRECT]
    assert right
    assert plain.accepted == len(right)
    without = [{k: v for k, v in row.items() if k != "relabelled"} for row in off.rows]
    assert without == plain.rows
    assert not any(row["relabelled"] for row in off.rows)


def test_relabelled_rows_are_few_of_a_goal_and_at_most_their_share(
    environments: OpenEnvironments, groups: list[list[Row]]
) -> None:
    sampler: Any = Sampler(environments)
    half = Hindsight().harvest(groups, sampler).rows
    relabelled = [row for row in half if row["relabelled"]]
    assert len(relabelled) == len(half) - len(relabelled)
    one = Hindsight(max_per_goal=1, most_relabelled=1.0).harvest(groups, sampler).rows
    prompts = [row["prompt"] for row in one if row["relabelled"]]
    assert len(prompts) == len(set(prompts))


def test_an_episode_whose_goal_cannot_be_begun_is_left_out(
    environments: OpenEnvironments, groups: list[list[Row]]
) -> None:
    rows = [groups[0][0], groups[0][1]]
    impossible = {"cards": [1, 1, 1], "target": 999}
    found = replayed(rows, [impossible, {}], EPISODE, environments, NO_CALLS)  # type: ignore[arg-type]
    assert found[0] is None
    assert found[1] is not None
    assert found[1].ended is not None and rows[1].ended is not None
    assert found[1].ended.parts == rows[1].ended.parts
