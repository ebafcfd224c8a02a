"""What is told to everybody holds no place on this machine and no secret."""

from __future__ import annotations

import pytest

from etude.export import discreet

TOKEN = "hf_" + "a1B2" * 8


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ("read /home/me/data/rows.jsonl twice", "read rows.jsonl twice"),
        ("path=/scratch/me/x", "path=x"),
        ("{path:/home/me/x}", "{path:x}"),
        ("['/data/me/a', '~/b/c']", "['a', 'c']"),
        ("~someone/models/mine", "mine"),
        ("file:///home/me/x", "x"),
        (f"key {TOKEN}", "key (left out)"),
        ("https://me:word@host/a/b", "https://host/a/b"),
        # What is no place stays as it is.
        ("Qwen/Qwen3-0.6B", "Qwen/Qwen3-0.6B"),
        ("./reward.py:score", "./reward.py:score"),
        ("https://huggingface.co/a/b", "https://huggingface.co/a/b"),
        ("<think>a</think>", "<think>a</think>"),
        ("1/2 and/or /v1", "1/2 and/or /v1"),
        ("outputs/stages/rl-1/model", "outputs/stages/rl-1/model"),
    ],
)
def test_a_text_keeps_the_last_part_of_a_path_and_nothing_of_a_token(said: str, told: str) -> None:
    assert discreet.text(said) == told


def test_a_config_is_without_places_and_secrets_at_any_depth() -> None:
    config = {
        "path": "/home/a person/with blanks/rows.jsonl",
        "files": ["/home/me/a.jsonl", 3],
        "judge": {"api_key": "short", "hf_token": "short", "token": "${oc.env:HF_TOKEN}"},
        "max_new_tokens": 40,
        "pad_token": "<pad>",
        "key": None,
    }
    assert discreet.tree(config) == {
        "path": "rows.jsonl",
        "files": ["a.jsonl", 3],
        "judge": {
            "api_key": "(left out)",
            "hf_token": "(left out)",
            "token": "${oc.env:HF_TOKEN}",
        },
        "max_new_tokens": 40,
        "pad_token": "<pad>",
        "key": None,
    }


def test_an_override_keeps_its_key() -> None:
    assert discreet.word("model.path=/home/me/my models/qwen") == "model.path=qwen"
    assert discreet.word("+verifier.api_key=abc") == "+verifier.api_key=(left out)"
    assert discreet.word("objective=grpo") == "objective=grpo"
