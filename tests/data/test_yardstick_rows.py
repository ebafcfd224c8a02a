"""Generated rows of the yardsticks: what they promise holds, and their splits are apart."""

from __future__ import annotations

import re
from fractions import Fraction

import pytest

from etude.errors import DataError
from etude.sources.countdown import COLUMNS, Countdown
from etude.sources.reverse_text import COLUMNS as TEXT_COLUMNS
from etude.sources.reverse_text import ReverseText

PROBLEMS = Countdown(train_size=300, test_size=80)
TEXTS = ReverseText(train_size=200, test_size=60)


@pytest.mark.parametrize("source", [PROBLEMS, TEXTS], ids=["countdown", "reverse_text"])
def test_splits_are_apart_and_fewer_rows_are_the_beginning_of_more(source):
    train, test = (source.rows(split, 0).column("id") for split in ("train", "test"))
    assert len(set(train)) == len(train) == source.train_size
    assert len(set(test)) == len(test) == source.test_size
    assert not set(train) & set(test)
    fewer = type(source)(train_size=50).rows("train", 9)
    assert fewer.column("id") == train[:50]
    assert type(source)(seed=1, train_size=50).rows("train", 0).column("id") != train[:50]
    with pytest.raises(DataError, match="has no split 'dev'; it has train, test"):
        source.rows("dev", 0)


@pytest.mark.parametrize(
    "source",
    [PROBLEMS, Countdown(train_size=200, least_numbers=2, most_numbers=6, largest=12)],
    ids=["usual", "two to six"],
)
def test_a_formula_of_countdown_has_each_number_once_and_the_value_of_the_target(source):
    rows = source.rows("train", 0)
    operations = set()
    for place in range(len(rows)):
        row = rows[place]
        used = [int(number) for number in re.findall(r"\d+", row["formula"])]
        assert sorted(used) == sorted(row["numbers"])
        exact = re.sub(r"(\d+)", r"Fraction(\1)", row["formula"])
        assert eval(exact, {"Fraction": Fraction}) == row["target"]
        assert source.least_target <= row["target"] <= source.most_target
        assert source.least_numbers <= row["count"] <= source.most_numbers
        *_, last = row["steps"].split()
        assert last.endswith(f"={row['target']}")
        assert row["steps"].count("=") == row["count"] - 1
        operations |= set(re.findall(r"[-+*/()]", row["formula"]))
    assert operations == set("-+*/()")


def test_a_prompt_of_countdown_says_numbers_and_target():
    source = Countdown(train_size=3, prompt_format="{numbers} -> {target}")
    row = source.rows("train", 0)[0]
    assert row["prompt"] == f"{', '.join(map(str, row['numbers']))} -> {row['target']}"
    assert [source.rows("train", 0).column(name)[0] for name in COLUMNS] == [
        row[name] for name in COLUMNS
    ]


def test_targets_that_no_problem_has_are_told_of():
    with pytest.raises(DataError, match=r"sources\.mine: no problem .* target from 9000 to 9999"):
        Countdown(largest=3, most_numbers=3, least_target=9000, most_target=9999, test_size=5).rows(
            "test", 0, None, "mine"
        )


def test_a_text_has_as_many_words_and_letters_as_asked_for_and_its_answer_is_it_backwards():
    source = ReverseText(train_size=80, least_words=2, most_words=3, least_letters=3)
    rows = source.rows("train", 0)
    assert {row["words"] for row in map(rows.__getitem__, range(80))} == {2, 3}
    for row in map(rows.__getitem__, range(80)):
        words = row["text"].split(" ")
        assert len(words) == row["words"]
        assert all(3 <= len(word) <= source.most_letters for word in words)
        assert row["answer"] == "".join(reversed(row["prompt"]))
        assert f">\n{row['answer']}\n<" in row["solution"]
    assert rows.column("answer") == [rows[place]["answer"] for place in range(80)]
    assert set(rows[0]) == set(TEXT_COLUMNS)


def test_of_very_short_texts_there_are_as_many_as_there_are():
    shortest = ReverseText(most_words=1, least_words=1, most_letters=1, least_letters=1)
    texts = [text for split in ("train", "test") for text in shortest.rows(split, 0).column("text")]
    assert sorted(texts) == sorted(set("aeioubcdfghjklmnprstvwz"))
