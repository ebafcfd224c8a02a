"""The games that are played turn by turn: their rules, their levels, and players who win them."""

import copy
import json
import random as plain_random

import pytest

from etude.tasks.calculator import Calculator, calculated
from etude.tasks.facts import Facts
from etude.tasks.game import Game
from etude.tasks.guess_number import GuessNumber
from etude.tasks.points_moves import PointsMoves
from etude.tasks.sokoban import Room
from etude.tasks.sokoban_moves import SIZES, SokobanMoves
from etude.tasks.wordle import Wordle, marks, vocabulary
from etude.tool_calls import Call

GAMES = {
    "guess_number": GuessNumber,
    "wordle": Wordle,
    "facts": Facts,
    "sokoban": SokobanMoves,
    "points": PointsMoves,
    "any_points": lambda: PointsMoves(target=None),
    "calculator": Calculator,
}

HOSTILE = ["", "\x00", "9" * 100_000, "Up" * 50_000, "٣*٤", "1/0", "0*0", "-" * 400, "🂡", "%s{}"]


def begun(name: str, seed: int = 1, level: int = 1) -> tuple[Game, list[dict[str, str]]]:
    game = GAMES[name]()
    columns = {"prompt": "12*34-5="} if name == "calculator" else {"level": level}
    return game, game.reset(seed, **columns)


def played(game: Game, turns: int = 100) -> list[str]:
    """Play a game as its solver does; return what it was told."""
    said = []
    while not game.done and turns:
        turns -= 1
        turn = game.worked()
        if isinstance(turn, Call):
            said.append(getattr(game, turn.name)(**turn.arguments))
        else:
            said += [message["content"] for message in game.step(turn)[0]]
    return said


@pytest.mark.parametrize("name", GAMES)
def test_its_solver_wins_every_level(name: str) -> None:
    levels = 1 if name == "calculator" else GAMES[name]().levels
    for level in range(1, levels + 1):
        for seed in range(2 if name == "sokoban" and level > 2 else 12):
            game, _ = begun(name, seed, level)
            played(game)
            parts = game.parts()
            assert game.done
            assert parts["accuracy"] == parts["legal"] == 1.0, (level, seed)
            assert all(0 <= value <= 1 for value in parts.values())


@pytest.mark.parametrize("name", GAMES)
def test_a_seed_decides_an_episode_and_other_seeds_give_others(name: str) -> None:
    def story(seed: int) -> tuple[list[dict[str, str]], list[str]]:
        plain_random.seed(seed)  # whatever the process draws from elsewhere
        game, first = begun(name, 7)
        return first, played(game)

    assert story(1) == story(2)
    if name != "calculator":
        others = set()
        for seed in range(20):
            game, first = begun(name, seed)
            others.add((json.dumps(first), *played(game)))
        assert len(others) > 2


@pytest.mark.parametrize("name", GAMES)
def test_hostile_turns_are_counted_and_lose_nothing_else(name: str) -> None:
    for text in HOSTILE:
        game, _ = begun(name)
        messages, done = game.step(text)
        assert game.parts()["accuracy"] == 0
        assert sum(len(message["content"]) for message in messages) < 200
        assert done == game.done
        if name not in ("calculator", "facts"):  # where any last number or word is an answer
            heard = name == "guess_number" and text in ("1/0", "0*0")
            assert game.illegal == 1 or heard, text[:20]


@pytest.mark.parametrize("name", GAMES)
def test_a_kept_state_goes_on_as_if_never_interrupted(name: str) -> None:
    game, _ = begun(name, 3, 1)
    first = game.worked()
    assert first is not None
    if isinstance(first, Call):
        getattr(game, first.name)(**first.arguments)
    else:
        game.step("nothing of the kind" if name != "calculator" else "?")
    state = json.loads(json.dumps(game.state_dict()))
    kept = copy.deepcopy(state)
    other = GAMES[name]()
    other.load_state_dict(state)
    assert played(other) == played(game)
    assert other.parts() == game.parts()
    assert state == kept


def test_a_level_that_is_not_there_is_refused() -> None:
    for name in ("guess_number", "wordle", "facts", "sokoban", "points"):
        with pytest.raises(ValueError, match="level is 1 to"):
            GAMES[name]().reset(1, level=99)


def test_a_guess_is_answered_by_the_number_that_was_meant() -> None:
    game, (message,) = begun("guess_number", level=2)
    assert message["content"] == "Guess a number from 1 to 7.\n"
    game.number = number = 6
    assert game.step("I say 5!")[0][0]["content"] == "higher\n"
    assert game.step("3 or 4")[0][0]["content"] == "no number\n"
    assert game.illegal == 1
    assert game.step(str(number)) == ([{"role": "user", "content": "right\n"}], True)
    assert game.parts()["speed"] == 0


def test_marks_of_a_word_count_each_letter_as_often_as_it_is_there() -> None:
    assert marks("babab", "abbba") == "yygyy"
    assert marks("aab", "baa") == "ygy"
    assert marks("aaa", "bab") == "-g-"
    assert len(vocabulary(2)) == 48
    assert vocabulary(2) != vocabulary(2, 1)
    assert all(len(word) == 5 for word in vocabulary(4))


def test_the_calculator_is_exact_and_takes_no_giants() -> None:
    assert calculated("12*(3+4)") == "84"
    assert calculated("7/2") == "7/2"
    for text in ("1/0", "9" * 10, "1+" * 40 + "1", "__import__('os')", "(1", "", "2**9", "1.5"):
        assert calculated(text) is None
    game, (message,) = begun("calculator")
    assert message["content"] == "12*34-5="
    assert game.calculate("12*34") == "408"
    assert game.calculate("12*34-") == "error"
    assert game.step("A:403") == ([], True)
    assert game.parts() == {"accuracy": 1.0, "legal": 1.0, "calls": 0.5}
    with pytest.raises(ValueError, match="whole number"):
        game.reset(1, prompt="1/2=")


def test_a_calculator_that_is_not_offered_answers_nothing() -> None:
    game = Calculator(offered=False)
    game.reset(1, prompt="2*3=")
    assert game.calculate("2*3") == "error"
    assert game.worked() == "A:6"


def test_a_question_of_three_steps_takes_three_look_ups() -> None:
    game, (message,) = begun("facts", 5, 3)
    assert message["content"].count(" of ") == 3
    assert game.search("color of nobody") == "nothing found"
    played(game)
    assert game.calls == 4
    assert game.parts()["found"] == 0.75


def test_rooms_are_as_hard_as_their_level_says() -> None:
    for level, (size, boxes, longest) in enumerate(SIZES[:3], 1):
        game, (message,) = begun("sokoban", 4, level)
        lines = message["content"].splitlines()
        assert len(lines) == len(lines[0]) == size
        assert message["content"].isascii()
        assert len(Room.read(game.lines).boxes) == boxes
        assert game.most <= 2 * longest + 2


def test_what_is_held_out_is_never_trained_on() -> None:
    def problems(game: Game, split: str, level: int) -> set[str]:
        return {game.reset(seed, level=level, split=split)[0]["content"] for seed in range(40)}

    for game, level in ((SokobanMoves(), 1), (PointsMoves(target=None), 2)):
        assert not problems(game, "train", level) & problems(game, "test", level)


def test_a_move_joins_two_of_the_numbers_left_exactly() -> None:
    game = PointsMoves()
    assert game.reset(1, cards=[3, 3, 8, 8], target=24)[0]["content"] == "24: 3 3 8 8\n"
    assert game.step("8/3")[0][0]["content"] == "3 8 (8/3)\n"
    assert game.step("9*3")[0][0]["content"] == "no move\n"
    assert game.step("3 - (8/3)")[0][0]["content"] == "8 (1/3)\n"
    assert game.step("8/(1/3)") == ([{"role": "user", "content": "right\n"}], True)
    assert game.legal == 0.75
    with pytest.raises(ValueError, match="cannot make"):
        game.reset(1, cards=[1, 1], target=24)


# What an episode reached in the place of its goal ------------------------------------------


def test_another_target_a_room_a_question_a_problem_that_was_reached_is_a_goal() -> None:
    points = PointsMoves()
    points.reset(1, cards=[3, 8], target=24)
    points.step("3+8")
    assert points.goal_of([]) == {"cards": [3, 8], "target": 11}
    again = PointsMoves()
    again.reset(1, **points.goal_of([]))
    again.step("3+8")
    assert again.solved
    assert again.goal_of([]) is None

    facts, _ = begun("facts", 2, 2)
    steps = facts.question.split(" of ")
    friend = facts.search(f"friend of {steps[-1]}")
    found = facts.search(f"{'pet' if steps[0] != 'pet' else 'town'} of {friend}")
    facts.step(f"A:{found}")
    goal = facts.goal_of([])
    assert goal is not None
    facts.reset(2, level=2, **goal)
    facts.step(f"A:{found}")
    assert facts.solved

    problem, _ = begun("calculator")
    problem.calculate("12*34")
    problem.step("A:408")
    assert problem.goal_of([]) == {"prompt": "12*34=", "answer": "408"}


def test_a_room_whose_boxes_were_pushed_elsewhere_is_solved_there() -> None:
    room = ["######", "#P___#", "#_X__#", "#____#", "#___O#", "######"]
    ways = ["Down", "Right"]
    game = SokobanMoves()
    game.reset(1, room=room)
    for way in ways:
        game.step(way)
    goal = game.goal_of([])
    assert goal is not None
    game.reset(1, **goal)
    for way in ways:
        game.step(way)
    assert game.solved
    game.reset(1, room=room)
    game.step("Down")
    assert game.goal_of([]) is None
