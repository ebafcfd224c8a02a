"""Files of one's own that are broken or not what they seem: told before anything starts."""

from __future__ import annotations

import gzip
import json
from typing import Any

import pytest
from inputs import Hostile, check, sampled

from warm_commands import Place

GOOD = {"question": "1+1=", "final": "2", "level": 1}


def lines(*rows: Any) -> str:
    return "".join(json.dumps(row) + "\n" for row in rows)


def mine(
    name: str,
    content: str | bytes,
    says: list[str],
    *words: str,
    file: str = "rows.jsonl",
    columns: str = "{prompt: question, answer: final}",
    path: str | None = None,
    beside: str = "",
    **more: Any,
) -> Hostile:
    """Return a command that trains on a file of one's own, with what it has to say."""
    source = f"defaults: [dataset, _self_]\npath: {path or file}\ncolumns: {columns}\n"
    mix = (
        "defaults: [mix, _self_]\ntrain: {mine: {split: train}}\nheld_out: {mine: {split: test}}\n"
        'response_template: "{answer}"\n'
    )
    files = {file: content, "conf/sources/mine.yaml": source, "conf/data_mix/mine.yaml": mix}
    if beside:
        files[beside] = content
    typed = ["recipe=rl", "data_mix=mine", *words, "training.steps=1"]
    return Hostile(name, typed, says, files=files, **more)


FILES = [
    mine("half a row", lines(GOOD) + '{"question": "1+', ["rows.jsonl:2", "not valid JSON"]),
    mine("python, not json", "{'question': '1'}\n", ["rows.jsonl:1", "not valid JSON"]),
    mine("not an object", lines(GOOD, [1]), ["rows.jsonl:2", "JSON object with named columns"]),
    mine("a number a line", "1\n2\n", ["rows.jsonl:1", "JSON object with named columns"]),
    mine("latin-1", b'{"question": "\xe9", "final": "2"}\n', ["rows.jsonl:1", "not UTF-8"]),
    mine("bytes", bytes(range(256)) * 4, ["rows.jsonl", "not"]),
    mine("empty", "", ["rows.jsonl is empty"]),
    mine("blank lines", "\n\n \n", ["rows.jsonl is empty"]),
    mine("empty list", "[]", ["rows.jsonl is empty"]),
    mine("half a list", '[{"question": "1"},', ["rows.jsonl", "not valid JSON"]),
    mine("one object over lines", '{\n "a": 1\n}\n', ["rows.jsonl:1", "not valid JSON"]),
    mine("too deep", "[" * 100_000, ["rows.jsonl", "deep"]),
    mine("too many digits", '{"question": ' + "9" * 5000 + "}\n", ["rows.jsonl:1", "digits"]),
    mine("compressed without .gz", gzip.compress(b"{}\n"), ["compressed", ".gz"]),
    mine("not compressed", lines(GOOD), ["rows.jsonl.gz cannot be read"], file="rows.jsonl.gz"),
    mine(
        "half a compressed file",
        gzip.compress(lines(*[GOOD] * 500).encode())[:-20],
        ["rows.jsonl.gz cannot be read"],
        file="rows.jsonl.gz",
    ),
    mine("unknown ending", lines(GOOD), ["not known by its name", "format=json"], file="rows.txt"),
    mine("no parquet", lines(GOOD), ["cannot be read as Parquet"], file="rows.parquet"),
    mine("empty parquet", b"", ["cannot be read as Parquet"], file="rows.parquet"),
    mine("no such file", lines(GOOD), ["no file or folder 'other.jsonl'"], path="other.jsonl"),
    mine("empty folder", "", ["no file for the split 'train'"], file="d/readme.md", path="d"),
    mine(
        "no train split",
        lines(GOOD),
        ["split 'train'", "it holds dev.jsonl, val.jsonl"],
        file="d/dev.jsonl",
        path="d",
        beside="d/val.jsonl",
    ),
    mine("csv with too many fields", "question,final\na,1,2\n", ["got 3"], file="rows.csv"),
    mine("csv header twice", "question,question\na,1\n", ["'question' twice"], file="rows.csv"),
    mine("csv without rows", "question,final\n", ["rows.csv is empty"], file="rows.csv"),
    mine("csv of nothing", "", ["rows.csv"], file="rows.csv"),
    mine("csv in latin-1", b"question,final\n\xe9,1\n", ["rows.csv"], file="rows.csv"),
    mine(
        "csv with semicolons",
        "question;final\na;1\n",
        ["no column 'question'", "question;final"],
        file="rows.csv",
    ),
]

LONG = {"question": "1+" * 40 + "1=", "final": "41", "level": 2}
WORKED = {"question": "2+2=", "final": "4", "worked": "2 and 2 are " + "four, " * 30 + "A:4"}
PLAIN = {"question": "1+1=", "final": "2", "worked": "A:2"}
SOLVED = "{prompt: question, answer: final, solution: worked}"
THEN_RL = ["recipe=sft_then_rl", "stages.sft.training.steps=1"]

LENGTHS = [
    mine(
        "demonstrations that are too long",
        lines(PLAIN, WORKED, PLAIN),
        ["data_mix.train.mine: 1 of 3 rows", "training.max_length=100", "training.too_long=drop"],
        "recipe=sft",
        "data_mix.response_template='{solution}'",
        "training.max_length=100",
        columns=SOLVED,
    ),
    mine(
        "prompts of a later stage that are too long",
        lines(GOOD, LONG),
        ["data_mix.train.mine: 1 of 2 rows", "max_prompt_tokens=60", "rollout.too_long=drop"],
        *THEN_RL,
        "+stages.rl.rollout.max_prompt_tokens=60",
    ),
    mine(
        "prompts that leave a later stage no positions",
        lines(GOOD, LONG),
        ["1 of 2 rows", "model.max_position_embeddings=64 less 20 new tokens"],
        *THEN_RL,
        "model.max_position_embeddings=64",
        "stages.sft.training.max_length=64",
        "rollout.max_new_tokens=20",
        "evaluation=null",
    ),
]

VALUES = [
    mine(
        "mapping",
        lines({**GOOD, "final": {"a": 1}}),
        ["rows.jsonl:1, column 'final'", "a mapping with a", "sources.mine.columns.answer=final.a"],
    ),
    mine(
        "list",
        lines(GOOD, {**GOOD, "final": ["1", "2"]}),
        [
            "rows.jsonl:2",
            "is a list",
            "sources.mine.read_as.answer=first|last|shortest|join|any|json",
        ],
    ),
    mine("true", lines({**GOOD, "final": True}), ["is true, not text"]),
    mine("null answer", lines(GOOD, {**GOOD, "final": None}), ["null", "row train-1"]),
    mine("null prompt", lines(GOOD, {**GOOD, "question": None}), ["rows.jsonl:2", "is null"]),
    mine("empty prompt", lines({**GOOD, "question": " "}), ["rows.jsonl:1", "is empty"]),
    mine("nan", '{"question": "1", "final": NaN}\n', ["is nan, not a number"]),
    mine("half a character", '{"question": "\\ud83d", "final": "1"}\n', ["half of a character"]),
    mine(
        "messages as a prompt",
        lines({**GOOD, "question": [{"role": "user", "content": "q"}]}),
        ["is a list of messages", "sources.mine.columns.messages=question"],
    ),
    mine(
        "misspelt column",
        lines({"qestion": "1", "final": "2"}),
        ["no column 'question'", "Did you mean qestion?"],
    ),
    mine(
        "misspelt path",
        lines({**GOOD, "final": {"truth": "1"}}),
        ["there is truth", "Did you mean truth?"],
        columns="{prompt: question, answer: final.trth}",
    ),
    mine(
        "path into text",
        lines(GOOD),
        ["has nothing inside it"],
        columns="{prompt: question, answer: final.truth}",
    ),
    mine(
        "word as a list index",
        lines({**GOOD, "final": ["1"]}),
        ["is no index"],
        columns="{prompt: question, answer: final.first}",
    ),
    mine("same ids", lines({**GOOD, "id": 1}, {**GOOD, "id": 1}), ["rows 1 and 2 have the same"]),
    mine(
        "levels nobody has",
        lines(GOOD),
        ["level 7", "have 1"],
        "data_mix.train.mine.levels=[1,7]",
        columns="{prompt: question, answer: final, level: level}",
    ),
    mine(
        "levels without a column",
        lines(GOOD),
        ["no column 'level'"],
        "data_mix.train.mine.levels=[1]",
    ),
    mine(
        "level of another type",
        lines({**GOOD, "level": [1]}),
        ["not a level"],
        columns="{prompt: question, answer: final, level: level}",
    ),
    mine(
        "words for the number verifier",
        lines(*[{**GOOD, "final": "yes"}] * 3),
        ["verifier number cannot read the right answer of 3 of 3", "holds no number: 'yes'"],
    ),
    mine(
        "broken LaTeX",
        lines({**GOOD, "final": "\\frac{1}{2"}),
        ["braces do not close"],
        "verifier=math",
    ),
    mine("no options", lines({**GOOD, "final": ","}), ["names no options"], "verifier=choices"),
    mine(
        "nothing to compare",
        lines({**GOOD, "final": " . "}),
        ["holds nothing that counts"],
        "verifier=exact",
    ),
    mine(
        "unknown rule",
        lines(GOOD),
        ["read_as.answer=frist", "first"],
        "sources.mine.read_as.answer=frist",
    ),
    mine(
        "filter that keeps nothing",
        lines(GOOD),
        ["no row of rows.jsonl is left"],
        'sources.mine.filter=[{column: level, op: ">", value: 9}]',
    ),
    mine(
        "filter of words and numbers",
        lines({**GOOD, "level": "x"}),
        ["cannot be evaluated"],
        'sources.mine.filter=[{column: level, op: ">", value: 9}]',
    ),
    mine(
        "filter on no column",
        lines(GOOD),
        ["no column 'lvel'", "Did you mean level?"],
        'sources.mine.filter=[{column: lvel, op: "==", value: 9}]',
    ),
    mine(
        "everything at once",
        lines({**GOOD, "final": {"a": 1}}),
        ["is a mapping with a", "no key 'stesp'"],
        "training.stesp=3",
    ),
    Hostile(
        "levels beyond the generator's",
        ["data_mix.train.arithmetic.levels=[1,99]"],
        ["level 99", "1 to 9"],
    ),
    Hostile("level zero", ["data_mix.held_out.arithmetic.levels=[0]"], ["level 0", "1 to 9"]),
]

USER, BOT = {"role": "user", "content": "q"}, {"role": "assistant", "content": "a"}


def chat(name: str, messages: Any, says: list[str], *words: str, **more: Any) -> Hostile:
    """Return a command that learns conversations from a file."""
    files = {"c.jsonl": lines({"messages": [USER, BOT]}, {"messages": messages, **more})}
    typed = ["recipe=sft", "data_mix=chat", "sources.chat.path=c.jsonl", "evaluation=null", *words]
    return Hostile(name, typed, says, files=files)


CALLS = [{"type": "function", "function": {"name": "f", "arguments": "{}"}}]
CHATS = [
    chat("no messages", [], ["c.jsonl:2, column 'messages' has no messages"]),
    chat("null", None, ["c.jsonl:2", "has no messages"]),
    chat("text", "user: q", ["c.jsonl:2", "is a list of messages"]),
    chat("texts", ["q", "a"], ["c.jsonl:2", "message 1 text"]),
    chat("null content", [USER, {**BOT, "content": None}], ["message 2 content that is null"]),
    chat("no content", [USER, {"role": "assistant"}], ["message 2 role"]),
    chat(
        "calls of tools",
        [USER, {**BOT, "tool_calls": CALLS}],
        ["message 2 'tool_calls'", "message_keys_left_out='[tool_calls]'"],
    ),
    chat("reasoning apart", [USER, {**BOT, "reasoning_content": "r"}], ["'reasoning_content'"]),
    chat("an image", [{**USER, "content": [{"type": "image"}]}, BOT], ["a part that is no text"]),
    chat("number as content", [USER, {**BOT, "content": 7}], ["content that is the number 7"]),
    chat("unknown role", [{**USER, "role": "bot"}, BOT], ["role 'bot'", "sources.chat.roles.bot"]),
    chat("only the assistant", [BOT], ["nothing that could be answered"]),
    chat("nothing to teach", [USER], ["solution", "null"]),
    chat("empty answer", [USER, {**BOT, "content": " "}], ["empty answer of the assistant"]),
    chat(
        "a template for one prompt",
        [USER, BOT, USER, BOT],
        ["no template of the prompt reaches"],
        'data_mix.prompt_template="{prompt}!"',
    ),
]


@pytest.mark.parametrize("hostile", sampled(FILES))
def test_a_broken_file_is_named(hostile: Hostile, here: Place) -> None:
    check(hostile, here)


@pytest.mark.parametrize("hostile", sampled(LENGTHS))
def test_rows_that_are_too_long_are_named_before_any_stage(hostile: Hostile, here: Place) -> None:
    check(hostile, here)


@pytest.mark.parametrize("hostile", sampled(VALUES))
def test_a_value_that_cannot_be_used_is_named_with_its_row(hostile: Hostile, here: Place) -> None:
    check(hostile, here)


@pytest.mark.parametrize("hostile", sampled(CHATS))
def test_a_conversation_that_cannot_be_learned_is_named(hostile: Hostile, here: Place) -> None:
    check(hostile, here)
