"""Files become rows under the names recipes use, or a message that says what to type."""

import gzip
import json

import pytest

from etude.errors import DataError
from etude.sources.columns import Condition
from etude.sources.dataset import Dataset

ROWS = [
    {
        "question": f"What is {n}+{n}?",
        "answer": f"It is {n}+{n}=<<{n}+{n}={2 * n}>>{2 * n}.\n#### {2 * n:,}",
        "grade": n % 3,
    }
    for n in (1, 20, 600)
]
GSM = {
    "columns": {"prompt": "question|problem", "solution": "solution|answer", "answer": "answer"},
    "answer_pattern": r"####\s*(.+)",
    "remove": "<<[^>]*>>",
}


def write(path, rows):
    text = "".join(json.dumps(row) + "\n" for row in rows)
    if path.suffix == ".gz":
        path.write_bytes(gzip.compress(text.encode()))
    else:
        path.write_text(text, encoding="utf-8")
    return path


def all_of(rows):
    return [dict(rows[place]) for place in range(len(rows))]


@pytest.mark.parametrize("name", ["train.jsonl", "train.jsonl.gz"])
def test_the_answer_and_the_solution_of_one_text_are_told_apart(tmp_path, name):
    write(tmp_path / name, ROWS)
    rows = all_of(Dataset(path=str(tmp_path), **GSM).rows("train", 0))
    assert rows[2] == {
        "prompt": "What is 600+600?",
        "solution": "It is 600+600=1200.",
        "answer": "1,200",
        "id": "train-2",
    }


def test_parquet_gives_the_same_rows_as_json_lines(tmp_path, monkeypatch):
    import datasets

    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    write(tmp_path / "a.jsonl", ROWS)
    datasets.Dataset.from_list(ROWS).to_parquet(str(tmp_path / "b.parquet"))
    first = Dataset(path=str(tmp_path / "a.jsonl"), **GSM).rows("train", 0)
    second = Dataset(path=str(tmp_path / "b.parquet"), **GSM).rows("train", 0)
    assert all_of(first) == all_of(second)
    assert list(first.column("answer")) == list(second.column("answer"))


def test_strings_with_other_line_separators_stay_one_row(tmp_path):
    path = tmp_path / "rows.jsonl"
    path.write_text(
        '{"prompt": "a\u2028b\u0085c", "answer": "1"}\n\n{"prompt": "d", "answer": 2.0}', "utf-8"
    )
    rows = all_of(Dataset(path=str(path)).rows("train", 0))
    assert [row["prompt"] for row in rows] == ["a\u2028b\u0085c", "d"]
    assert rows[1]["answer"] == "2"


def test_splits_are_files_shards_folders_or_the_only_file(tmp_path):
    write(tmp_path / "train-00001-of-2.jsonl", ROWS[1:])
    write(tmp_path / "train-00000-of-2.jsonl", ROWS[:1])
    (tmp_path / "validation").mkdir()
    write(tmp_path / "validation" / "x.jsonl", ROWS[:1])
    source = Dataset(path=str(tmp_path), splits={"train": "train", "test": "validation"}, **GSM)
    assert [row["answer"] for row in all_of(source.rows("train", 0))] == ["2", "40", "1,200"]
    assert len(source.rows("test", 0)) == 1
    assert [path.name for path in source.files()] == [
        "train-00000-of-2.jsonl",
        "train-00001-of-2.jsonl",
        "x.jsonl",
    ]
    with pytest.raises(DataError, match=r"no file for the split 'dev'.*splits\.dev=FILE"):
        source.rows("dev", 0, key="mine")


def test_a_missing_column_names_the_near_spelling_and_what_to_type(tmp_path):
    write(tmp_path / "train.jsonl", ROWS)
    source = Dataset(path=str(tmp_path), columns={"prompt": "questoin", "answer": "answer"})
    with pytest.raises(DataError) as error:
        source.rows("train", 0, key="mine")
    assert "Did you mean question?" in str(error.value)
    assert "sources.mine.columns.prompt=question" in str(error.value)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            '{"prompt": "a", "answer": "1"}\n{"prompt": "b", answer}\n',
            r"rows\.jsonl:2: not valid JSON",
        ),
        ('{"prompt": "a", "answer": "1"}\n[1, 2]\n', r"rows\.jsonl:2: a row must be a JSON object"),
        ("", "is empty"),
        ('{"prompt": "", "answer": "1"}\n', "row train-0 .* has no prompt"),
        (
            '{"id": 4, "prompt": "a"}\n{"id": 4, "prompt": "b"}\n',
            "rows 1 and 2 have the same id '4'",
        ),
    ],
)
def test_bad_content_is_named_with_its_place(tmp_path, content, message):
    path = tmp_path / "rows.jsonl"
    path.write_text(content)
    with pytest.raises(DataError, match=message):
        all_of(Dataset(path=str(path), columns={"prompt": "prompt"}).rows("train", 0, key="mine"))


def test_a_path_that_is_not_there_and_a_source_without_a_place_say_what_to_type(tmp_path):
    with pytest.raises(DataError, match=r"sources\.mine\.path=.*does not exist"):
        Dataset(path=str(tmp_path / "no.jsonl")).rows("train", 0, key="mine")
    with pytest.raises(DataError, match=r"sources\.mine\.path=FILE"):
        Dataset().rows("train", 0, key="mine")


def test_a_hub_set_that_cannot_be_reached_asks_for_a_local_copy(monkeypatch):
    import datasets

    def fail(*_args, **_named):
        raise ConnectionError("no network\nat all")

    monkeypatch.setattr(datasets, "load_dataset", fail)
    with pytest.raises(DataError, match=r"no network\n  sources\.mine\.path=FOLDER"):
        Dataset(hub="someone/something").rows("train", 0, key="mine")


def test_filters_and_limits_keep_what_they_say_in_file_order(tmp_path):
    path = write(
        tmp_path / "rows.jsonl",
        [{"prompt": f"p{n}", "n": n, "tag": "ab"[n % 2]} for n in range(20)],
    )
    base = {"path": str(path), "columns": {"prompt": "prompt", "size": "n"}}

    def kept(*conditions, **more):
        return [
            r["prompt"]
            for r in all_of(Dataset(**base, filter=list(conditions), **more).rows("train", 0))
        ]

    assert kept(Condition("n", ">=", 17)) == ["p17", "p18", "p19"]
    assert kept(Condition("size", "<", 6), Condition("tag", "==", "b")) == ["p1", "p3", "p5"]
    assert kept(Condition("n", "in", [3, 4])) == ["p3", "p4"]
    assert kept(Condition("prompt", "matches", "^p1.$"), limit=2) == ["p10", "p11"]
    with pytest.raises(DataError, match=r"no column 'tga'.*Did you mean tag"):
        kept(Condition("tga", "==", "a"))
    with pytest.raises(DataError, match="cannot be evaluated"):
        kept(Condition("tag", ">", 3))
    with pytest.raises(DataError, match=r"no row .* is left"):
        kept(Condition("n", ">", 99))


def test_held_out_rows_are_apart_from_training_and_stay_so_when_rows_are_added(tmp_path):
    def ids(count, split):
        path = write(
            tmp_path / f"{count}.jsonl", [{"prompt": f"p{n}", "id": n} for n in range(count)]
        )
        source = Dataset(path=str(path), columns={"prompt": "prompt"}, hold_out=0.25)
        return set(source.rows(split, 0).column("id"))

    train, test = ids(400, "train"), ids(400, "test")
    assert not train & test
    assert len(train | test) == 400
    assert 60 < len(test) < 140
    assert test <= ids(600, "test")


def test_rows_of_an_earlier_stage_are_read_from_the_folder_it_wrote(tmp_path):
    (tmp_path / "data").mkdir()
    write(
        tmp_path / "data" / "rows.jsonl",
        [{"id": "a#0", "prompt": "p", "answer": "1", "solution": "s"}],
    )
    source = Dataset(from_stage="sample")
    for folder in (tmp_path, tmp_path / "data"):
        assert all_of(source.rows("train", 0, folder))[0]["id"] == "a#0"
    with pytest.raises(DataError, match="stage 'sample'"):
        source.rows("train", 0, None, "mine")


def test_levels_and_lists_become_numbers_and_text(tmp_path):
    path = write(
        tmp_path / "rows.jsonl",
        [{"problem": "p", "final": ["1", "2"], "lvl": "Level 5", "steps": ["first", "second"]}],
    )
    columns = {"prompt": "problem", "answer": "final", "level": "lvl", "solution": "steps"}
    row = Dataset(path=str(path), columns=columns).rows("test", 0)[0]
    assert (row["answer"], row["level"], row["solution"]) == ("1, 2", 5, "first")
