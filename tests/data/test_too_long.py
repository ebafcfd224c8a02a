"""Rows that are too long for a model are told when data is opened, over all rows of it."""

from __future__ import annotations

import json
from types import SimpleNamespace

import pytest
import torch

from etude.data_mix.mix import Mix
from etude.data_mix.share import Share
from etude.errors import DataError
from etude.learner.fitting import DemonstrationLimit
from etude.model.scratch import Scratch
from etude.rollout.fitting import PromptLimit
from etude.rollout.transformers import Transformers
from etude.rows import Example, Message
from etude.sources.dataset import Dataset

LENGTHS = (5, 40, 7, 90, 6)


@pytest.fixture(scope="module")
def policy():
    small = Scratch(
        hidden_size=16,
        layers=1,
        heads=2,
        kv_heads=1,
        intermediate_size=16,
        max_position_embeddings=64,
    )
    return small.create(0, torch.device("cpu"))


@pytest.fixture
def source(tmp_path):
    rows = [{"prompt": "p" * n, "answer": "1", "solution": "s" * n} for n in LENGTHS]
    path = tmp_path / "rows.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    columns = {"prompt": "prompt", "answer": "answer", "solution": "solution"}
    return Dataset(path=str(path), columns=columns)


def opened(source, fits, **options):
    mix = Mix(train={"mine": Share()}, shuffle=False, **options)
    return mix.stream({"mine": source}, 1, fits=fits)


@pytest.mark.parametrize("template", ["{prompt}", "{prompt}{answer}"])
def test_a_prompt_that_leaves_no_room_is_refused_with_its_share(policy, source, template):
    limit = PromptLimit(policy, Transformers(max_new_tokens=16), 16)
    assert limit.tokens == 48
    with pytest.raises(DataError, match=r"1 of 5 prompts \(20 %\).*row 4, has 9[34]") as error:
        opened(source, limit.fits, prompt_template=template)
    assert "rollout.too_long=drop" in str(error.value)


def test_longer_prompts_are_dropped_from_every_pass_and_the_rest_resumes_to_the_row(policy, source):
    limit = PromptLimit(policy, Transformers(max_prompt_tokens=30, too_long="drop"), 16)
    with pytest.warns(UserWarning, match=r"2 of 5 prompts \(40 %\).*left out"):
        stream = opened(source, limit.fits)
    assert stream.size == 3
    first = [len(example.prompt) for example in stream.next(4)]
    assert first == [5, 7, 6, 5]
    state = stream.state_dict()
    with pytest.warns(UserWarning):
        again = opened(source, limit.fits)
    again.load_state_dict(state)
    assert again.next(3) == stream.next(3)


def test_a_cut_prompt_keeps_its_end_and_a_conversation_its_last_messages(policy):
    limit = PromptLimit(policy, Transformers(max_prompt_tokens=20, too_long="cut"), 16)
    text = "".join(str(n % 10) for n in range(60))
    cut = limit.cut(Example("x", "x", text))
    assert len(policy.encode_example(cut)) == 20
    assert text.endswith(cut.prompt)
    talk = tuple(Message(role, role[0] * 8) for role in ("user", "assistant", "user"))
    shorter = limit.cut(Example("x", "x", "", messages=talk))
    assert shorter.messages == talk[2:]
    whole = Example("x", "x", "short")
    assert limit.cut(whole) is whole


def test_no_limit_that_leaves_nothing(policy, source):
    with pytest.raises(DataError, match="no room for a prompt"):
        opened(source, PromptLimit(policy, Transformers(), 64).fits)
    limit = PromptLimit(policy, Transformers(max_prompt_tokens=1, too_long="drop"), 16)
    with (
        pytest.warns(UserWarning, match="5 of 5"),
        pytest.raises(DataError, match="every row is too long"),
    ):
        opened(source, limit.fits)


def test_held_out_problems_are_treated_alike(policy):
    asked = [Example(str(n), "x", "p" * n) for n in LENGTHS]
    limit = PromptLimit(policy, Transformers(max_prompt_tokens=30), 16)
    with pytest.raises(DataError, match=r"data_mix\.held_out: 2 of 5"):
        limit.of(asked, "data_mix.held_out")
    limit = PromptLimit(policy, Transformers(max_prompt_tokens=30, too_long="drop"), 16)
    with pytest.warns(UserWarning, match="left out"):
        assert [each.id for each in limit.of(asked, "x")] == ["5", "7", "6"]


@pytest.mark.parametrize("rule", ["refuse", "drop", "cut"])
def test_longer_demonstrations_are_told_before_the_first_step(policy, source, rule):
    training = SimpleNamespace(max_length=60, too_long=rule)
    fits = DemonstrationLimit(policy, training).fits
    told = r"2 of 5 demonstrations \(40 %\) are longer than training.max_length=60.*184 tokens"
    if rule == "refuse":
        with pytest.raises(DataError, match=told):
            opened(source, fits, response_template="{solution}")
        return
    with pytest.warns(UserWarning, match=told):
        stream = opened(source, fits, response_template="{solution}")
    assert stream.size == 5


def test_both_answers_of_a_pair_count(policy, tmp_path):
    path = tmp_path / "pairs.jsonl"
    path.write_text(json.dumps({"prompt": "p", "chosen": "c", "rejected": "r" * 99}) + "\n")
    columns = {"prompt": "prompt", "chosen": "chosen", "rejected": "rejected"}
    training = SimpleNamespace(max_length=60, too_long="refuse")
    fits = DemonstrationLimit(policy, training, ("chosen", "rejected")).fits
    with pytest.raises(DataError, match="1 of 1 pairs with a chosen or rejected answer"):
        opened(Dataset(path=str(path), columns=columns), fits)


def test_a_row_that_cannot_be_used_is_told_when_data_is_opened(policy, tmp_path):
    path = tmp_path / "rows.jsonl"
    rows = [{"prompt": "p", "answer": "1"}] * 900 + [{"prompt": "p", "answer": {"a": 1}}]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    limit = PromptLimit(policy, Transformers(max_new_tokens=16), 16)
    with pytest.raises(DataError, match=r"rows\.jsonl:901, column 'answer' is a mapping"):
        opened(Dataset(path=str(path)), limit.fits)
