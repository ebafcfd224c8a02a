"""Rows that a function makes, and rows that a function keeps."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from written import composed, refused, write

from etude.build import build
from etude.config.installation import installed
from etude.errors import DataError

MIX = ("~data_mix.train.arithmetic", "+data_mix.train.mine.split=train", "evaluation=null")


@pytest.fixture(autouse=True)
def _in_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def _part(group: str, text: str, folder: Path, **options: Any) -> Any:
    write(folder, own=text)
    return build({"name": "./own.py:mine", **options}, group, installed().schema)


def test_rows_are_those_of_the_split_with_an_id_each(tmp_path: Path) -> None:
    source = _part(
        "sources",
        """
        def mine(split, *, n=2):
            for number in range(n):
                yield {"prompt": f"{split} {number}", "answer": str(number)}
        """,
        tmp_path,
        n=3,
    )
    rows = source.rows("train", 1)
    assert [dict(row) for row in rows][2] == {"prompt": "train 2", "answer": "2", "id": "2"}
    assert source.rows("test", 1).column("prompt", [1]) == ["test 1"]
    with pytest.raises(DataError, match="there is no column 'level'; the rows have prompt, answ"):
        rows.column("level")


def test_rows_of_a_file_that_was_changed_are_made_anew(tmp_path: Path) -> None:
    text = "def mine(split):\n    return [{'prompt': 'PROMPT'}]\n"
    for prompt in ("one", "two"):
        source = _part("sources", text.replace("PROMPT", prompt), tmp_path)
        found = source.first_look("train")
        assert found is not None and found[0].column("prompt") == [prompt]


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("return [{'promt': 'p'}]", "row 0 of mine (own.py:1) has no text 'prompt'; it has promt"),
        ("return [1]", "row 0 of mine (own.py:1) is a int; a row is a dict"),
        ("return None", "mine (own.py:1) returned a NoneType; it returns or yields dicts"),
        ("return []", "has no rows for the split 'train'"),
        ("return [{'prompt': 'p', 'id': 1}] * 2", "have the same id '1'"),
        ("yield {'prompt': 'p'}\n    raise KeyError('x')", "KeyError: 'x' (own.py:3)"),
        ("import os\n    os._exit(4)", "ended its process"),
    ],
)
def test_rows_that_are_none_are_told_when_the_command_is_typed(
    body: str, said: str, tmp_path: Path
) -> None:
    write(tmp_path, own=f"def mine(split):\n    {body}\n")
    assert said in refused("sources.mine=./own.py:mine", *MIX)


def test_looking_at_rows_runs_nothing_of_the_file_in_this_process(tmp_path: Path) -> None:
    text = "import os\nPID = os.getpid()\n\n\ndef mine(split):\n" + (
        f"    assert os.getpid() != {__import__('os').getpid()}\n"
        "    return [{'prompt': 'p', 'answer': '1'}]\n"
    )
    write(tmp_path, own=text)
    assert composed("sources.mine=./own.py:mine", *MIX).runs


def test_a_filter_of_rows_is_asked_about_each_with_the_columns_it_names(tmp_path: Path) -> None:
    chosen = _part(
        "data_mix/filter",
        "def mine(prompt, answer, *, most=3):\n    return len(prompt) <= most and answer > 0\n",
        tmp_path,
        most=2,
    )
    assert chosen.columns() == ("prompt", "answer")
    found = chosen.choose({"prompt": ["a", "abc", "ab"], "answer": [1, 1, 0]})
    assert found.kept.tolist() == [True, False, False]
    with pytest.raises(DataError, match=r"TypeError: .* \(own.py:2\)"):
        chosen.choose({"prompt": ["a"], "answer": [None]})


@pytest.mark.parametrize(
    ("returned", "said"),
    [
        (
            "None",
            r"mine \(own.py:4\) returned nothing \(None\); it returns true or false for one row",
        ),
        ("''", "returned a str; it returns true or false"),
        ("2", "returned 2, a int; it returns"),
        ("numpy.array([True, False])", "returned a ndarray; it returns"),
    ],
)
def test_a_filter_of_rows_that_says_neither_yes_nor_no_drops_nothing(
    returned: str, said: str, tmp_path: Path
) -> None:
    text = f"import numpy\n\n\ndef mine(prompt):\n    return {returned}\n"
    chosen = _part("data_mix/filter", text, tmp_path)
    with pytest.raises(DataError, match=said):
        chosen.choose({"prompt": ["a"]})


@pytest.mark.parametrize("value", ["True", "1", "0 < 1", "numpy.bool_(1)", "numpy.array(True)"])
def test_whatever_is_true_or_one_keeps_a_row(value: str, tmp_path: Path) -> None:
    text = f"import numpy\n\n\ndef mine(prompt):\n    return {value}\n"
    chosen = _part("data_mix/filter", text, tmp_path)
    assert chosen.choose({"prompt": ["a"]}).kept.tolist() == [True]


def test_the_columns_a_filter_names_have_to_be_there(tmp_path: Path) -> None:
    write(tmp_path, own="def mine(nothing):\n    return True\n")
    assert "needs the data column 'nothing'" in refused("data_mix/filter=[./own.py:mine]")
