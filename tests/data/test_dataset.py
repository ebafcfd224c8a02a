"""Files become rows under the names recipes use, or a message that says what to type."""

import gzip
import json

import pytest

from etude.errors import DataError
from etude.sources.conditions import Condition
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
        ('{"prompt": "", "answer": "1"}\n', r"rows\.jsonl:1, column 'prompt' is empty"),
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


LISTS = {"problem": "p", "final": ["1", "23"], "lvl": "Level 5", "steps": ["longer", "short"]}


def one(tmp_path, row, **options):
    path = write(tmp_path / "rows.jsonl", [row])
    return Dataset(path=str(path), **options).rows("test", 0, key="mine")[0]


@pytest.mark.parametrize(
    ("rules", "answer", "solution"),
    [
        ({"answer": "join", "solution": "first"}, "1, 23", "longer"),
        ({"answer": "last", "solution": "shortest"}, "23", "short"),
        ({"answer": "any", "solution": "last"}, ["1", "23"], "short"),
        ({"answer": "json", "solution": "json"}, '["1", "23"]', '["longer", "short"]'),
    ],
)
def test_lists_are_read_by_the_rule_that_is_stated(tmp_path, rules, answer, solution):
    columns = {"prompt": "problem", "answer": "final", "level": "lvl", "solution": "steps"}
    row = one(tmp_path, LISTS, columns=columns, read_as=rules)
    assert (row["answer"], row["level"], row["solution"]) == (answer, 5, solution)


def test_places_inside_values_are_columns_too(tmp_path):
    row = {
        "prompt": [{"role": "system", "content": "s"}, {"role": "user", "content": "q"}],
        "reward.model": {"ground.truth": "7", "other": {"x": 1}},
        "answers": [{"text": "a"}, {"text": "b"}],
    }
    columns = {
        "prompt": "nothing|prompt.1.content",
        "answer": r"reward.model.ground\.truth",
        "solution": "answers.-1.text",
        "level": "reward.model.other.x",
    }
    found = one(tmp_path, row, columns=columns)
    assert found == {"prompt": "q", "answer": "7", "solution": "b", "level": 1, "id": "test-0"}


@pytest.mark.parametrize(
    ("value", "says"),
    [
        ({"a": 1}, "is a mapping with a, not text\n  sources.mine.columns.answer=answer.a"),
        (["a", "b"], "is a list (['a', 'b']), not text\n  sources.mine.read_as.answer=first|last"),
        (True, "is true, not text\n  sources.mine.read_as.answer=json"),
        (float("nan"), "is nan, not a number"),
        (float("-inf"), "is -inf, not a number"),
        ("\ud800", "holds half of a character"),
        ([{"role": "user", "content": "q"}], "is a list of messages, not text"),
    ],
)
def test_a_value_that_is_no_text_is_refused_with_its_row_and_column(tmp_path, value, says):
    with pytest.raises(DataError) as error:
        one(tmp_path, {"prompt": "p", "answer": value})
    assert f"rows.jsonl:1, column 'answer' {says}" in str(error.value)


def test_numbers_are_texts_as_they_are_written(tmp_path):
    for value, text in ((51.0, "51"), (0.5, "0.5"), (-3, "-3"), (1e300, str(int(1e300)))):
        assert one(tmp_path, {"prompt": "p", "answer": value})["answer"] == text


def test_a_misspelt_path_names_what_is_there(tmp_path):
    columns = {"prompt": "prompt", "answer": "reward.truht"}
    with pytest.raises(DataError, match=r"there is truth, style\. Did you mean truth\?"):
        one(tmp_path, {"prompt": "p", "reward": {"truth": 1, "style": 2}}, columns=columns)
    columns["answer"] = "reward.truth.deep"
    with pytest.raises(DataError, match=r"'reward\.truth\.deep'.*has nothing inside it"):
        one(tmp_path, {"prompt": "p", "reward": {"truth": 1, "style": 2}}, columns=columns)


def test_csv_fields_are_the_text_that_stands_there(tmp_path):
    path = tmp_path / "rows.csv"
    path.write_text(
        'prompt,answer,n\n007,1.50,1\nNA,true,2\n"a, ""b""\nc",1e5,3\nq,"",4\nr,,5\n', "utf-8"
    )
    source = Dataset(path=str(path), filter=[Condition("n", "<", 6)])
    rows = all_of(source.rows("train", 0))
    assert [row["prompt"] for row in rows] == ["007", "NA", 'a, "b"\nc', "q", "r"]
    assert [row["answer"] for row in rows] == ["1.50", "true", "1e5", "", None]
    kept = Dataset(path=str(path), filter=[Condition("n", "in", [2, 4])]).rows("train", 0)
    assert [row["id"] for row in all_of(kept)] == ["train-1", "train-3"]


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("prompt,answer\na,1,2\n", "Expected 2 columns, got 3"),
        ("prompt,prompt\na,1\n", "names 'prompt' twice"),
        ("", "is empty"),
        ("prompt,answer\n", "is empty"),
        (b"prompt,answer\n\xff\xfe,1\n", "rows.csv cannot be read as CSV"),
    ],
)
def test_a_broken_csv_file_is_named(tmp_path, content, says):
    path = tmp_path / "rows.csv"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(DataError, match=says):
        Dataset(path=str(path)).rows("train", 0, key="mine")


def test_rows_of_several_stages_follow_each_other_whatever_their_ids(tmp_path):
    for name in ("first", "second"):
        folder = tmp_path / name
        folder.mkdir()
        write(folder / "train.jsonl", [{"id": "p@0", "prompt": "1+1?", "answer": name}])
    folders = (tmp_path / "first", tmp_path / "second")
    source = Dataset(from_stage=["a", "b"], columns={"prompt": "prompt", "answer": "answer"})
    rows = all_of(source.rows("train", 1, folders))
    assert [row["answer"] for row in rows] == ["first", "second"]
    assert len({row["id"] for row in rows}) == 2
    alone = Dataset(from_stage="a", columns={"prompt": "prompt"}).rows("train", 1, folders[0])
    assert all_of(alone)[0]["id"] == "p@0"
