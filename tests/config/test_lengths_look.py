"""What the first look at lengths refuses is refused again when the data is opened: no row less."""

from __future__ import annotations

import random
from typing import Any

import pytest
import torch

from etude.build import build
from etude.config.first_look import CHARACTERS
from etude.config.lengths_look import Lengths, counter, lengths_of, limit_of
from etude.config.prepare import prepare
from etude.errors import ConfigError
from etude.learner.fitting import DemonstrationLimit
from etude.model.scratch import Scratch
from etude.rows import Example, Message
from etude.schema import load

ALPHABET = "ab é\n<|user|>零1+=𝄞"


def config(tokenizer: str, **training: Any) -> dict[str, Any]:
    return {
        "model": {"name": "scratch", "tokenizer": tokenizer, "max_position_embeddings": 64},
        "objective": {"name": "sft"},
        "training": {"name": "standard", "too_long": "refuse", "max_length": 40, **training},
    }


def lengths(tokenizer: str) -> Lengths:
    own = config(tokenizer), load(), "supervised", "base"
    limit = limit_of(*own)
    assert limit is not None
    found = lengths_of(limit, *own)
    assert found is not None
    return found


def examples(seed: int) -> list[Example]:
    chance = random.Random(seed)

    def text(most: int) -> str:
        return "".join(chance.choice(ALPHABET) for _ in range(chance.randrange(1, most)))

    made = []
    for number in range(60):
        messages = (Message("user", text(30)), Message("assistant", text(30)), Message("user", "q"))
        made.append(
            Example(
                id=str(number),
                source="mine",
                prompt=text(40),
                response=text(40),
                system=text(20) if number % 2 else None,
                messages=messages if number % 3 == 0 else (),
            )
        )
    return made


@pytest.mark.parametrize("tokenizer", ["characters", "bytes"])
def test_no_row_is_refused_that_would_fit_and_the_long_ones_are_found(tokenizer: str) -> None:
    policy = Scratch(hidden_size=16, layers=1, heads=2, tokenizer=tokenizer).create(
        0, torch.device("cpu")
    )
    look = lengths(tokenizer)
    exact = DemonstrationLimit(policy, None)
    refused = 0
    for example in examples(1):
        real = exact._tokens(example)
        found = look.exceeded(example)
        if found is not None:
            refused += 1
            assert real >= found > look.limit.tokens
        assert (
            found is not None or real <= look.limit.tokens + 40
        )  # what template and joining may add
    assert refused > 10


def test_a_stage_that_drops_or_cuts_refuses_nothing() -> None:
    for rule in ("drop", "cut"):
        assert limit_of(config("bytes", too_long=rule), load(), "supervised", "base") is None


def test_a_tokenizer_that_is_not_at_hand_counts_nothing(tmp_path) -> None:
    hub = {"model": {"name": "pretrained", "path": "owner/name"}}
    assert counter(hub, "base") is None
    assert counter(hub, str(tmp_path)) is None
    (tmp_path / "tokenizer.json").write_text("{")
    assert counter(hub, str(tmp_path)) is None


def test_a_local_tokenizer_counts_its_own_tokens(tmp_path) -> None:
    policy = Scratch(hidden_size=16, layers=1, heads=2, tokenizer="bytes").create(
        0, torch.device("cpu")
    )
    policy.save(tmp_path)
    count = counter(config("characters"), str(tmp_path))
    assert count is not None
    assert [count.tokens(text) for text in ("", "abc", "é零")] == [0, 3, 5]
    assert count.joined == 0  # it merges nothing


FEW = {"train_size": 100, "test_size": 50}


@pytest.mark.parametrize(
    ("name", "few"),
    [("arithmetic", FEW), ("arithmetic_candidates", {"problems": 200}), ("arithmetic_tools", FEW)],
)
def test_no_generated_row_has_more_characters_than_its_source_says(
    name: str, few: dict[str, int]
) -> None:
    needs = load().components["sources"][name].provides
    (most,) = [int(n.what.split(":")[1]) for n in needs if n.what.startswith(CHARACTERS)]
    source = build({"name": name, "levels": 9, **few}, "sources")
    for split in ("train", "test"):
        rows, whole = source.first_look(split)
        assert whole
        texts = ("prompt", "solution", "system", "critique")
        for position in range(0, len(rows), max(1, len(rows) // 1000)):
            row = rows[position]
            said = [str(row.get(key) or "") for key in texts]
            said += [message["content"] for message in row.get("messages") or ()]
            assert sum(map(len, said)) <= most


def told(*overrides: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        prepare(overrides)
    return [str(fault) for fault in caught.value.faults]


def test_generated_rows_that_are_too_long_are_told_of_before_anything_starts() -> None:
    rl = ("recipe=rl", "evaluation=null")
    (text,) = told(*rl, "rollout.max_prompt_tokens=1")
    assert text.startswith("data_mix.train.arithmetic: 498 of 498 rows looked at are longer than")
    (text,) = told("recipe=sft", "evaluation=null", "training.max_length=12")
    assert text.startswith("data_mix.train.arithmetic: ") and "training.too_long=drop" in text
    # Of rows that are held out some are measured on: none can be only where all are too long.
    _, text = told("recipe=rl", "model.max_position_embeddings=16", "rollout.max_new_tokens=13")
    assert "data_mix.held_out.arithmetic: " in text
    prepare(["recipe=rl", "rollout.max_prompt_tokens=7", "rollout.too_long=drop"])
    prepare([*rl, "data_mix.train.arithmetic.levels=[1]", "rollout.max_prompt_tokens=6"])
