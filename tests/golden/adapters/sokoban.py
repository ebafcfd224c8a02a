"""Sokoban: reading actions, scoring sequences of them, the Answers block, shortest paths."""

from __future__ import annotations

from typing import Any

from etude.rows import Candidate
from etude.tasks.sokoban import ACTIONS, DIRECTIONS, Room, shortest_path
from etude.tasks.sokoban_labels import SPACES, action_of, announced, answers_block, words_of
from etude.verifier.sokoban import Sokoban

METHOD = "sokoban"
CONFIG = {"kind"}
INPUTS: set[str] = set()

#: Where the prompt of a whole decoded text ends.
_ASSISTANT = "<|im_start|>assistant\n"


def run(case: Any) -> None:
    kinds = {
        "action_sequence": sequences,
        "diverse_prompt": diverse,
        "extract_action": actions,
        "action_vocabulary": vocabulary,
        "shortest_path": paths,
    }
    case.config.choose("kind", kinds)(case)


def score(verifier: Sokoban, prompt: str, response: str, columns: dict[str, Any]) -> float:
    (verdict,) = verifier.verdicts([Candidate("room", 0, prompt, response, columns)])
    return verdict.parts["score"]


def sequences(case: Any) -> None:
    assert case.config.take("score") == 1.0
    verifier = Sokoban(format_score=case.config.take("format_score"))
    scores = []
    for each in case.inputs.take("items"):
        prompt, mark, response = each["text"].partition(_ASSISTANT)
        columns = {
            "actions": each["ground_truth"],
            "space": each["data_source"].partition("_")[2] or "base",
        }
        whole = (prompt, response) if mark else ("", each["text"])
        scores.append(score(verifier, *whole, columns))
    case.check("scores", scores)


def diverse(case: Any) -> None:
    assert case.config.take("score") == 1.0
    verifier = Sokoban(labels="prompt", format_score=0.0)
    scores, read = [], []
    for each in case.inputs.take("items"):
        scores.append(
            score(verifier, each["prompt"], each["response"], {"actions": each["ground_truth"]})
        )
        labels = announced(each["prompt"]) or ()
        read.append(dict(zip(labels, ACTIONS, strict=bool(labels))))
        if "words" in each:
            assert list(labels) == each["words"]
    case.check("scores", scores)
    case.check_if_given("action_mapping", read)


def actions(case: Any) -> None:
    items = case.inputs.take("items")
    case.check("actions", [action_of(text, SPACES[space]) for space, text in items])


def vocabulary(case: Any) -> None:
    items = case.inputs.take("items")
    case.check("answers_block", [answers_block(labels) for labels, _ in items])
    case.check("actions", [words_of(given, labels) for labels, given in items])


def paths(case: Any) -> None:
    named = dict(zip(map(str, ACTIONS), DIRECTIONS, strict=True))
    assert case.config.take("actions") == named
    assert case.config.take("expansion_order") == list(ACTIONS)
    found = [shortest_path(Room.read(lines)) for lines in case.inputs.take("rooms")]
    case.check("paths", [list(path or ()) for path in found])
