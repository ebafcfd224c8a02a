"""What a file by path says counts in fingerprints; how it says it and where it lies do not."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from written import REWARD, fingerprint, planned, write

from etude.launch import written as written_graph

PLACE = "verifier=./reward.py:score"


@pytest.fixture(autouse=True)
def _in_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write(tmp_path, reward=REWARD)


def test_comments_layout_and_docstrings_do_not_count(tmp_path: Path) -> None:
    before = fingerprint(tmp_path, PLACE)
    text = (tmp_path / "reward.py").read_text()
    (tmp_path / "reward.py").write_text(
        "# A comment.\n" + text.replace("right =", "right  =").replace("counts", "matters")
    )
    assert fingerprint(tmp_path, PLACE) == before


def test_a_changed_line_counts_and_so_does_one_of_a_file_it_imports(tmp_path: Path) -> None:
    write(tmp_path, reward="import part\n" + REWARD.replace("\n    ", "\n"), part="A = 1\n")
    before = fingerprint(tmp_path, PLACE)
    write(tmp_path, part="A = 2\n")
    after = fingerprint(tmp_path, PLACE)
    write(tmp_path, beside="B = 1\n")
    assert fingerprint(tmp_path, PLACE) == after != before
    text = (tmp_path / "reward.py").read_text()
    (tmp_path / "reward.py").write_text(text.replace("1 +", "2 +"))
    assert fingerprint(tmp_path, PLACE) not in (before, after)


def test_where_the_file_lies_and_what_it_is_called_do_not_count(tmp_path: Path) -> None:
    before = fingerprint(tmp_path, PLACE)
    (tmp_path / "else").mkdir()
    shutil.copy("reward.py", "else/other.py")
    for name in ("else/other.py", str(tmp_path / "else/other.py")):
        assert fingerprint(tmp_path, f"verifier={name}:score") == before


def test_which_of_two_files_says_what_counts(tmp_path: Path) -> None:
    reward = """
        from easy import f as e
        from hard import f as h
        def score(response):
            return {"accuracy": 3.0 * e(response) + h(response)}
    """
    one, other = "def f(text): return len(text)\n", "def f(text): return 1\n"
    write(tmp_path, reward=reward, easy=one, hard=other)
    before = fingerprint(tmp_path, PLACE)
    write(tmp_path, easy=other, hard=one)
    assert fingerprint(tmp_path, PLACE) != before


def test_which_of_two_components_lies_where_counts(tmp_path: Path) -> None:
    rows = "def rows(split): return [{{'prompt': '{0}', 'answer': '1'}}] * 20\n"
    write(tmp_path, a=rows.format("easy"), b=rows.format("hard"))

    def weighed(one: str, two: str) -> str:
        sources = (f"sources.one=./{one}.py:rows", f"sources.two=./{two}.py:rows")
        weights = ("+data_mix.train.one.weight=3", "+data_mix.train.two.weight=1")
        return fingerprint(tmp_path, *sources, *weights)

    assert weighed("a", "b") != weighed("b", "a")


def test_options_count_and_timeouts_count_as_of_any_verifier(tmp_path: Path) -> None:
    before = fingerprint(tmp_path, PLACE)
    assert fingerprint(tmp_path, PLACE, "verifier.scale=1") == before
    assert fingerprint(tmp_path, PLACE, "verifier.scale=2") != before


def test_code_of_etude_that_the_file_imports_counts(tmp_path: Path) -> None:
    write(
        tmp_path,
        reward="from etude.verifier.number import right_number\n" + REWARD.replace("\n    ", "\n"),
    )
    (digest,) = planned(tmp_path, PLACE).codes
    modules = planned(tmp_path, PLACE).codes[digest]
    assert "etude.verifier.number" in modules and "reward.py" in modules


def test_of_etude_what_a_function_becomes_counts_and_not_what_reads_it(tmp_path: Path) -> None:
    (code,) = planned(tmp_path, PLACE).codes.values()
    own = {name for name in code if name.startswith("etude.by_path")}
    assert {"etude.by_path.verifier", "etude.by_path.call", "etude.by_path.load"} <= own
    assert not own & {"etude.by_path.describe", "etude.by_path.files", "etude.by_path.signature"}


def test_a_stage_that_does_not_read_the_verifier_keeps_its_fingerprint(tmp_path: Path) -> None:
    def sft(*overrides: str) -> str:
        graph = planned(tmp_path, "recipe=sft_then_rl", *overrides)
        return next(node.fingerprint for node in graph.stages.values() if node.name == "sft")

    assert sft() == sft(PLACE)


def test_a_file_that_changes_between_plan_and_run_starts_nothing(tmp_path: Path) -> None:
    from etude.errors import StorageError
    from etude.execute import run_folder

    graph = planned(tmp_path / "outputs", PLACE)
    text = (tmp_path / "reward.py").read_text()
    (tmp_path / "reward.py").write_text(text.replace("1 +", "2 +"))
    with pytest.raises(StorageError, match=r"reward\.py was changed while this command"):
        run_folder.make(graph)


def test_a_run_keeps_the_files_that_it_began_with(tmp_path: Path) -> None:
    from etude.by_path import copies
    from etude.config.installation import installed
    from etude.execute import run_folder

    write(tmp_path, reward="import part\n" + REWARD.replace("\n    ", "\n"), part="A = 1\n")
    graph = planned(tmp_path / "outputs", PLACE)
    graph.folder = run_folder.make(graph)
    written_graph.write(graph, {"name": "local"})
    before = (tmp_path / "part.py").read_bytes()
    write(tmp_path, part="A = 2\n")
    (tmp_path / "reward.py").unlink()
    schema = installed().schema
    assert schema.find("verifier", "./reward.py:score") is None
    with copies.used(graph.folder):
        info = schema.find("verifier", "./reward.py:score")
        assert info is not None and info.place is not None
        assert (info.place.file.parent / "part.py").read_bytes() == before
        assert info.place.original == tmp_path / "reward.py"
