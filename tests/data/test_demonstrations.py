"""Worked solutions beside the training rows: matched by prompt, drawn in an order of their own."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from etude.data_mix.mix import Mix
from etude.data_mix.share import Share
from etude.data_mix.stream import Stream
from etude.errors import DataError
from etude.sources.dataset import Dataset

PROBLEMS = 12


@dataclass(frozen=True)
class Listed:
    """Rows in memory."""

    given: list[dict[str, Any]]

    def rows(self, split: str, seed: int, folder: Path | None = None, key: str = "") -> Listed:
        return self

    def __len__(self) -> int:
        return len(self.given)

    def __getitem__(self, position: int) -> dict[str, Any]:
        return self.given[position]

    def column(self, name: str, positions: Any = None) -> list[Any]:
        places = range(len(self.given)) if positions is None else positions
        return [self.given[place].get(name) for place in places]


def problems(**columns: Any) -> Listed:
    return Listed([{"id": n, "prompt": f"What is {n}?", **columns} for n in range(PROBLEMS)])


def opened(tmp_path: Path, *, overlap: str = "report", held: int = 0) -> Stream:
    """Return a mix of problems without solutions, and a file with those of the even ones."""
    rows = [
        {"question": f"what  IS {n}?", "steps": f"it is {n}" if n else None}
        for n in range(0, 2 * PROBLEMS, 2)
    ]
    path = tmp_path / "solved.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    sources = {
        "problems": problems(),
        "solved": Dataset(path=str(path), columns={"prompt": "question", "solution": "steps"}),
        "test": Listed([{"id": n, "prompt": f"What is {n}?"} for n in range(20, 20 + held)]),
    }
    mix = Mix(
        train={"problems": Share()},
        held_out={"test": Share()} if held else {},
        demonstrations={"solved": Share()},
        prompt_template="Q: {prompt}",
        overlap=overlap,
    )
    return mix.stream(sources, seed=3)


def test_solutions_are_matched_by_prompt_and_missing_ones_are_none(tmp_path: Path) -> None:
    stream = opened(tmp_path)
    examples = stream.next(PROBLEMS)
    found = {example.columns["id"]: stream.demonstrations.of(example) for example in examples}
    assert {n for n, text in found.items() if text is None} == {0, 1, 3, 5, 7, 9, 11}
    assert all(text == f"it is {n}" for n, text in found.items() if text is not None)


def test_without_a_source_of_their_own_the_rows_bring_their_solutions() -> None:
    mix = Mix(train={"problems": Share()})
    stream = mix.stream({"problems": problems(solution="so")}, seed=3)
    assert {stream.demonstrations.of(example) for example in stream.next(PROBLEMS)} == {"so"}


def test_the_stream_passes_over_rows_without_a_solution_and_does_not_move_the_prompts(
    tmp_path: Path,
) -> None:
    plain, stream = opened(tmp_path), opened(tmp_path)
    drawn = stream.demonstrations.next(2 * (PROBLEMS - 1))  # two passes over those with a solution
    assert sorted(int(e.response.split()[-1]) for e in drawn if e.response) == sorted(
        [*range(2, 2 * PROBLEMS, 2)] * 2
    )
    assert all(e.prompt == f"Q: {e.columns['prompt']}" for e in drawn)
    assert [e.id for e in stream.next(30)] == [e.id for e in plain.next(30)]


@pytest.mark.parametrize("stop", [1, 7, 16])
def test_the_stream_goes_on_where_it_was_saved(tmp_path: Path, stop: int) -> None:
    whole = [e.id for e in opened(tmp_path).demonstrations.next(40)]
    first = opened(tmp_path)
    got = [e.id for e in first.demonstrations.next(stop)]
    first.next(5)
    state = json.loads(json.dumps(first.state_dict()))
    resumed = opened(tmp_path)
    resumed.load_state_dict(state)
    assert got + [e.id for e in resumed.demonstrations.next(40 - stop)] == whole
    assert [e.id for e in resumed.next(9)] == [e.id for e in first.next(9)]


def test_few_rows_with_a_solution_give_as_many_as_are_asked_for() -> None:
    rows = Listed(
        [{**row, "solution": "so" if row["id"] == 5 else None} for row in problems().given]
    )
    stream = Mix(train={"problems": Share()}).stream({"problems": rows}, seed=3)
    assert [example.response for example in stream.demonstrations.next(40)] == ["so"] * 40


def test_rows_that_have_no_solution_at_all_say_what_to_type(tmp_path: Path) -> None:
    stream = Mix(train={"problems": Share()}).stream({"problems": problems()}, seed=3)
    with pytest.raises(DataError, match=r"no row has a worked solution.*data_mix\.demonstrations"):
        stream.demonstrations.next(1)
    empty = Mix(held_out={"problems": Share()}).stream({"problems": problems()}, seed=3)
    with pytest.raises(DataError, match=r"data_mix\.train is empty"):
        empty.demonstrations.next(1)


def test_the_solutions_of_held_out_problems_are_found_and_dropped(tmp_path: Path) -> None:
    with pytest.warns(UserWarning, match=r"2 of 12 demonstrations have a held-out prompt"):
        seen = opened(tmp_path, held=4).demonstrations.next(30)
    assert {20, 22} < {int(e.columns["prompt"].strip("?").split()[-1]) for e in seen}
    with pytest.warns(UserWarning, match=r"2 of 12 demonstrations .* dropped"):
        seen = opened(tmp_path, held=4, overlap="remove").demonstrations.next(30)
    assert not {20, 22} & {int(e.columns["prompt"].strip("?").split()[-1]) for e in seen}
    with pytest.raises(DataError, match=r"2 demonstrations have a prompt that is held out"):
        opened(tmp_path, held=4, overlap="refuse")
