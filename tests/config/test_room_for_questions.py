"""A judge whose reply takes all of its context is refused: no question would be left to it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from etude.config.prepare import prepare, prepare_evaluation
from etude.errors import ConfigError

ASKING = ("verifier=process_judge", "verifier.max_new_tokens=600")


def faults(*words: str) -> list[tuple[str, str]]:
    try:
        prepare(["recipe=rl", "rollout.max_new_tokens=12", *words])
    except ConfigError as error:
        return [(fault.typed, fault.message) for fault in error.faults]
    return []


@pytest.mark.parametrize("judge", ["base", "start"])
def test_a_judge_without_room_is_refused(judge: str) -> None:
    small = ("model.max_position_embeddings=600", f"models.judge={judge}")
    [(typed, message)] = faults(*ASKING, *small)
    assert typed == "verifier.max_new_tokens"
    assert "leaves models.judge no room for a question" in message
    assert "model.max_position_embeddings=600" in message
    assert faults(*ASKING, *small, "verifier.max_new_tokens=599") == []


def test_a_folder_says_how_much_room_it_has(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps({"max_position_embeddings": 300}))
    found = faults(*ASKING, f"models.judge={tmp_path}", "model.max_position_embeddings=4096")
    assert any(
        typed == "verifier.max_new_tokens" and "config.json=300" in message
        for typed, message in found
    )


def test_a_verifier_of_a_named_evaluation_is_judged_too() -> None:
    words = ("evaluations.careful.verifier=process_judge", "models.judge=base")
    own = "evaluations.careful.verifier.max_new_tokens"
    small = ("model.max_position_embeddings=600", f"{own}=700")
    assert own in [typed for typed, _ in faults(*words, *small)]


def test_an_evaluation_by_itself_is_judged_too() -> None:
    words = ["model=scratch", "model.max_position_embeddings=600", *ASKING, "models.judge=base"]
    with pytest.raises(ConfigError, match="no room for a question"):
        prepare_evaluation([*words, "evaluation.max_new_tokens=12"])
