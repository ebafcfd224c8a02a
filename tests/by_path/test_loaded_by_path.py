"""A person's file is imported with what lies beside it as its own, and nothing is left behind."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from written import write

from etude.by_path import files
from etude.by_path.load import attribute_of


def _value(file: Path) -> object:
    return attribute_of(file, file, "score")()


def test_files_of_one_name_beside_two_rewards_are_kept_apart(tmp_path: Path) -> None:
    for name in ("one", "two"):
        write(
            tmp_path / name,
            reward="import helpers\n\n\ndef score():\n    return helpers.VALUE\n",
            helpers=f"VALUE = '{name}'\n",
        )
    assert [_value(tmp_path / name / "reward.py") for name in ("one", "two")] == ["one", "two"]
    assert "helpers" not in sys.modules


@pytest.mark.parametrize(
    "head",
    [
        "from .helpers import VALUE",
        "from helpers import VALUE",
        "from . import helpers\nVALUE = helpers.VALUE",
        "import lib.deep\nVALUE = lib.deep.VALUE",
        "from lib import deep\nVALUE = deep.VALUE",
        "import lib.deep as renamed\nVALUE = renamed.VALUE",
        "from lib.deep import VALUE",
    ],
)
def test_sibling_and_relative_imports_mean_what_lies_beside(head: str, tmp_path: Path) -> None:
    write(
        tmp_path,
        reward=f"{head}\n\n\ndef score():\n    return VALUE\n",
        helpers="from lib.deep import VALUE\n",
        lib__deep="VALUE = 7\n",
    )
    assert _value(tmp_path / "reward.py") == 7
    assert "lib/deep.py" in files.read(tmp_path / "reward.py").prints


def test_a_file_in_a_package_reaches_up_to_the_outermost(tmp_path: Path) -> None:
    write(
        tmp_path,
        mine__inner__reward="from ..text import more\nfrom mine import BASE\n\n\n"
        "def score():\n    return more + BASE\n",
        mine__text="more = 10\n",
    )
    (tmp_path / "mine/__init__.py").write_text("BASE = 1\n")
    (tmp_path / "mine/inner/__init__.py").write_text("")
    file = tmp_path / "mine/inner/reward.py"
    assert _value(file) == 11
    assert set(files.read(file).prints) == {
        "mine/__init__.py",
        "mine/inner/__init__.py",
        "mine/inner/reward.py",
        "mine/text.py",
    }


def test_an_import_inside_a_function_and_circles_are_followed(tmp_path: Path) -> None:
    write(
        tmp_path,
        reward="import other\n\n\ndef score():\n    from late import VALUE\n    return VALUE\n",
        other="import reward\n",
        late="VALUE = 3\n",
    )
    file = tmp_path / "reward.py"
    assert set(files.read(file).prints) == {"reward.py", "other.py", "late.py"}
    assert _value(file) == 3


def test_what_is_edited_is_imported_anew_and_nothing_is_written_beside(tmp_path: Path) -> None:
    file = tmp_path / "reward.py"
    write(tmp_path, reward="import part\n\n\ndef score():\n    return part.A\n", part="A = 1\n")
    assert _value(file) == 1
    write(tmp_path, part="A = 2\n")
    assert _value(file) == 2
    assert sorted(path.name for path in tmp_path.iterdir()) == ["part.py", "reward.py"]


def test_a_folder_of_records_hides_no_package(tmp_path: Path) -> None:
    (tmp_path / "numpy").mkdir()
    (tmp_path / "numpy/run.log").write_text("")
    write(tmp_path, reward="import numpy\n\n\ndef score():\n    return float(numpy.ones(()))\n")
    assert _value(tmp_path / "reward.py") == 1.0
    assert list(files.read(tmp_path / "reward.py").prints) == ["reward.py"]


def test_a_module_is_told_where_its_file_lay_when_it_was_named(tmp_path: Path) -> None:
    text = "from pathlib import Path\n\n\ndef score():\n    return str(Path(__file__))\n"
    write(tmp_path, kept__reward=text)
    original = tmp_path / "mine/reward.py"
    found = attribute_of(tmp_path / "kept/reward.py", original, "score")()
    assert found == str(original)
