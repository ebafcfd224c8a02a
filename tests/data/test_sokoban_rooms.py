"""Sokoban rooms: moves by the rules, shortest solutions, rows apart and as they were."""

from __future__ import annotations

import hashlib
import json
from itertools import product
from random import Random

import pytest

from etude.data_mix.draw import Draw
from etude.data_mix.mix import Mix
from etude.data_mix.share import Share
from etude.errors import DataError
from etude.rows import Candidate, Outcome
from etude.sources.sokoban import COLUMNS, TESTS, TRAINING, Sokoban
from etude.tasks.sokoban import ACTIONS, Room, shortest_path
from etude.tasks.sokoban_labels import POOL, SPACES, WORDS, announced, answers_block
from etude.tasks.sokoban_rooms import displaced, fixed_layer
from etude.verifier.sokoban import Sokoban as Judge

SOURCE = Sokoban(train_rooms=60, test_rooms=15)
SPLITS = (*TRAINING, *TESTS)


def rooms(size: int, boxes: int, count: int) -> list[Room]:
    found = []
    for seed in range(10 * count):
        random = Random(seed)
        layer = fixed_layer(random, size, boxes)
        room = layer and displaced(random, *layer, size, 30)
        if room:
            found.append(room)
    return found[:count]


def distance(room: Room, most: int) -> int | None:
    """Return how few actions solve a room, by trying every sequence level by level."""
    level, seen = {room}, {room}
    for length in range(most + 1):
        if any(each.solved for each in level):
            return length
        level = {each.after(action) for each in level for action in ACTIONS} - seen
        seen |= level
    return None


def test_moves_push_and_never_pull_and_nothing_enters_a_wall():
    room = Room.read(["######", "#PXO_#", "#_XX_#", "######"])
    assert room.after(4).lines == ["######", "#_P√_#", "#_XX_#", "######"]
    assert room.after(4).after(4).lines == ["######", "#__SX#", "#_XX_#", "######"]
    assert room.after(1) is room.after(0) is room.after(3) is room  # a wall, no action, a wall
    assert room.after(2).after(4) == room.after(2)  # two boxes in a row
    assert room.after(4).after(3).lines == ["######", "#P_√_#", "#_XX_#", "######"]
    with_three = Room.read(["#####", "#PX##", "#####"])
    assert with_three.after(4) is with_three


def test_the_text_of_a_room_has_a_space_before_and_a_space_and_a_tab_after_each_cell():
    lines = ["####", "#S√#", "####"]
    room = Room.read(lines)
    assert room.lines == lines
    assert room.text == "\n".join("".join(f" {cell} \t" for cell in line) for line in lines)


@pytest.mark.parametrize(
    ("lines", "told"),
    [
        ([], "lines of one length"),
        (["###", "#P#", "##"], "lines of one length"),
        (["###", "#Q#", "###"], "has no 'Q'"),
        (["###", "#_#", "###"], "one player and walls"),
        (["#####", "#P_P#", "#####"], "one player and walls"),
        (["#####", "#P___", "#####"], "one player and walls"),
    ],
)
def test_what_is_no_room_is_refused(lines, told):
    with pytest.raises(ValueError, match=told):
        Room.read(lines)


@pytest.mark.parametrize(
    ("size", "boxes", "count"), [(6, 1, 40), (5, 1, 20), (6, 2, 12), (10, 1, 6)]
)
def test_every_solution_replayed_solves_its_room_and_none_is_shorter(size, boxes, count):
    made = rooms(size, boxes, count)
    assert len(made) == count
    for room in made:
        assert Room.read(room.lines) == room and not room.solved
        assert len(room.boxes) == boxes == room.fixed.count("O")
        way = shortest_path(room)
        assert way is not None
        reached = room
        for action in way:
            assert not reached.solved and reached.after(action) != reached
            reached = reached.after(action)
        assert reached.solved
        assert distance(room, len(way)) == len(way)


def test_of_shortest_solutions_the_first_in_the_order_of_actions_is_taken():
    for room in rooms(6, 1, 30):
        way = shortest_path(room)
        if way is None or len(way) > 4:
            continue
        for other in product(ACTIONS, repeat=len(way)):
            reached = room
            for action in other:
                reached = reached.after(action)
            if reached.solved:
                assert other == way
                break


def test_a_room_without_a_solution_or_with_too_long_a_one_has_none():
    assert shortest_path(Room.read(["######", "#X_O_#", "#_P__#", "######"])) is None
    far = Room.read(["########", "#PX___O#", "########"])
    assert shortest_path(far) == (4, 4, 4, 4)
    assert shortest_path(far, depth=4) == (4, 4, 4, 4)
    assert shortest_path(far, depth=3) is None
    assert shortest_path(Room.read(["####", "#P√#", "####"])) == ()


@pytest.mark.parametrize("split", SPLITS)
def test_every_row_of_a_split_is_what_its_name_says(split):
    kind = {**TRAINING, **TESTS}[split]
    rows = SOURCE.rows(split, 0)
    assert len(rows) >= 15 and len(set(rows.column("id"))) == len(rows)
    assert len(set(rows.column("prompt"))) == len(rows)
    verifier = Judge(effective=True)
    for place in range(0, len(rows), 7):
        row = rows[place]
        assert set(row) == set(COLUMNS)
        room = Room.read(row["room"])
        assert len(row["room"]) in kind.sizes and len(room.boxes) == kind.boxes
        way = shortest_path(room)
        assert way is not None and list(way[:1]) == row["actions"] and len(way) == row["level"]
        assert row["board"] == room.text and row["cells"].split("\n") == row["room"]
        assert row["board"] in row["prompt"] and row["answers"] in row["prompt"]
        space = row["space"] if isinstance(row["space"], str) else WORDS
        assert space in kind.spaces
        scored = SPACES[space] if space in SPACES else tuple(row["space"])
        shown = announced(row["prompt"])
        assert shown == (SPACES[kind.announced] if kind.announced else scored)
        assert row["answer"] == scored[row["actions"][0] - 1]
        verdict = verifier.judge(
            Candidate(row["id"], 0, row["prompt"], row["solution"], row, length=1)
        )
        assert verdict.outcome is Outcome.CORRECT and verdict.parts["score"] == 1
        assert verdict.parts["effective"] == 1
        assert verdict.parts["validity"] == float(kind.announced is None)
        assert len(row["prompt"] + row["solution"]) <= 1400


def test_vocabularies_share_the_rows_and_words_differ_from_row_to_row():
    source = Sokoban(train_rooms=200)
    spaces = source.rows("mixed", 0).column("space")
    for space in TRAINING["mixed"].spaces:
        assert 0.18 < spaces.count(space) / len(spaces) < 0.32
    words = source.rows("diverse", 0).column("space")
    assert len({tuple(each) for each in words}) == len(words)
    assert all(len(set(each)) == 4 and set(each) <= set(POOL) for each in words)
    assert len({word for each in words for word in each}) > 0.9 * len(POOL)
    assert not any(set(" ,;<\n") & set(word) for word in POOL)


def test_no_room_that_is_measured_is_trained_on():
    def layers(splits):
        found = set()
        for split in splits:
            for lines in SOURCE.rows(split, 0).column("room"):
                found.add(Room.read(lines).fixed)
        return found

    measured = layers(TESTS)
    assert not layers(TRAINING) & measured
    made = {Room.read(SOURCE.generate({"size": 6}, key)["room"]).fixed for key in range(60)}
    assert not made & measured


def test_fewer_rooms_are_the_beginning_of_more_and_another_seed_has_others():
    few, many = (Sokoban(train_rooms=size).rows("train", 0).column("id") for size in (10, 40))
    assert list(many[: len(few)]) == list(few)
    assert not set(Sokoban(train_rooms=10, seed=1).rows("train", 0).column("id")) >= set(few)


def test_the_rows_are_those_of_before():
    source = Sokoban(train_rooms=8, test_rooms=4)
    text = json.dumps(
        [dict(row) for split in ("diverse", "complex") for row in source.rows(split, 0)]
    )
    assert hashlib.sha256(text.encode()).hexdigest()[:16] == "70c17ad3e02e06b9"


def test_a_row_may_ask_for_several_actions():
    rows = Sokoban(train_rooms=30, horizon=3).rows("train", 0)
    assert len(rows)
    for row in rows:
        assert len(row["actions"]) == 3 and row["level"] >= 3
        assert len(row["answer"].split()) == 3
        assert "the next 3 actions" in row["prompt"]
        answer = Candidate("room", 0, row["prompt"], row["solution"], row)
        assert Judge().judge(answer).outcome is Outcome.CORRECT


def test_rooms_are_made_by_parameters_that_are_any_numbers_in_their_ranges():
    made = [SOURCE.generate({"size": 6.5, "boxes": 1.25}, key) for key in range(60)]
    assert made == [SOURCE.generate({"size": 6.5, "boxes": 1.25}, key) for key in range(60)]
    sizes = [len(row["room"]) for row in made]
    boxes = [len(Room.read(row["room"]).boxes) for row in made]
    assert set(sizes) == {6, 7} and 15 < sizes.count(7) < 45
    assert set(boxes) == {1, 2} and 5 < boxes.count(2) < 28
    mix = Mix(train={"sokoban": Share(limit=20)})
    stream = mix.stream({"sokoban": SOURCE}, seed=1)
    found = stream.next(Draw(2, parameters={"sokoban": [{"size": 8}]}))
    assert [len(example.columns["room"]) for example in found] == [8, 8]


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"walls": 2}, "no parameter 'walls'; it has size, boxes"),
        ({"size": 11}, "parameter size is 11; it is 5 to 10"),
        ({"boxes": float("nan")}, "parameter boxes is nan; it is 1 to 3"),
    ],
)
def test_parameters_that_there_are_not_are_refused(parameters, message):
    with pytest.raises(DataError, match=message):
        SOURCE.generate(parameters, 1)


def test_a_split_that_there_is_not_is_named_beside_those_there_are():
    with pytest.raises(DataError, match=r"no split 'huge'; it has train, mixed, .*fake_numerical"):
        SOURCE.rows("huge", 0)


def test_a_block_of_answers_says_what_labels_mean_unless_one_is_plain():
    assert "where" not in answers_block(SPACES["cardinal"])
    assert answers_block(SPACES["random"]).endswith(
        "where * is Up, & is Down, 1 is Left, M is Right.\n"
    )
    for space in SPACES.values():
        assert announced(f"Rules.\n\n{answers_block(space)}\nRewards: -0.1") == space
