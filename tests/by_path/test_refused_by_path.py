"""What keeps a file from being used is told when it is typed, with file and line."""

from __future__ import annotations

from pathlib import Path

import pytest
from written import REWARD, composed, refused, write


@pytest.fixture(autouse=True)
def _in_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write(tmp_path, reward=REWARD, rewards__length=REWARD)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("./rewrad.py:score", "there is no file './rewrad.py' in"),
        ("./rewrad.py:score", "Did you mean ./reward.py?"),
        ("./lenght.py:score", "Did you mean ./rewards/length.py?"),
        ("./rewards:score", "there is no verifier './rewards:score'"),
        ("reward:score", "Did you mean ./reward.py:score?"),
        ("reward.score", "Did you mean ./reward.py:score?"),
        ("./reward", "Did you mean ./reward.py:NAME?"),
        ("./rewards/length:score", "Did you mean ./rewards/length.py:score?"),
        ("./reward.py", "'./reward.py' is a file; type ./reward.py:score."),
        ("./reward.py:", "'./reward.py' is a file; type ./reward.py:score."),
        ("./reward.py:scoer", "has no function or class 'scoer'. Did you mean score?"),
    ],
)
def test_what_is_not_there_is_told_with_what_is_near(name: str, said: str) -> None:
    assert said in refused(f"verifier={name}")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("def score(response)\n    return 1", "own.py:1: expected ':'"),
        ("import numpyy\ndef score(response): return 1", "own.py:1: imports numpyy, which is neit"),
        ("from helprs import x\ndef score(response): return 1", "own.py:1: imports helprs"),
        ("from .helpers import x\ndef score(response): return 1", "own.py:1: imports .helpers"),
        ("from reward import scor\ndef score(r): return 1", "there is no 'scor' in reward.py"),
        ("def score(respones): return 1", "Did you mean response? It may ask for prompt, response"),
        ("def score(*texts): return 1", "own.py:1: score takes *texts; it has to name what it"),
        ("def score(response, **rest): return 1", "score takes **rest; it has to name"),
        (
            "def score(*, scale=1): return 1",
            "own.py:1: score asks for nothing; it may ask for prom",
        ),
        ("async def score(response): return 1", "score is an async function"),
        ("def score(response, n=len('')): return 1", "default of score's option 'n' (line 1)"),
        ("def score(response, *, n: set = None): return 1", "type of score's option 'n' (line 1)"),
        ("def score(response, *, timeout=1): return 1", "an option 'timeout', which every such"),
        ("def score(response, *, bonus): return 1", "verifier.bonus  needs a value"),
        (
            "def score(response):\n    if response:\n        return {'a': 1}\n    return 0.0",
            "returns the part a in line 3 and the part accuracy in line 4",
        ),
        (
            "def score(response, *, name='x'): return 1",
            "option 'name', which names the part itself",
        ),
        ("def score(response, /): return 1", "takes arguments by place (/); it is given them by"),
        ("class score:\n    pass", "score has to be a frozen dataclass"),
        ("score = 3", "has no function or class 'score'. It only has something else of this name"),
        ("from reward import score", "name the file that defines it."),
    ],
)
def test_a_file_that_cannot_serve_is_refused_with_its_line(
    text: str, said: str, tmp_path: Path
) -> None:
    write(tmp_path, own=text)
    assert said in refused("verifier=./own.py:score")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"\x00def score", "own.py: source code string cannot contain null bytes."),
        (b"x = " + b"(" * 3000 + b")" * 3000, "own.py:1: too many nested parentheses."),
        (b"x = " + b"+".join([b"1"] * 30000), "own.py cannot be read as Python: maximum recursion"),
        (b"", "has no function or class 'score'. It has none."),
    ],
)
def test_a_file_that_is_hardly_python_is_refused_in_words(
    content: bytes, said: str, tmp_path: Path
) -> None:
    (tmp_path / "own.py").write_bytes(content)
    assert said in refused("verifier=./own.py:score")


def test_a_folder_and_a_link_to_nothing_are_no_files(tmp_path: Path) -> None:
    (tmp_path / "own.py").mkdir()
    (tmp_path / "gone.py").symlink_to("nowhere.py")
    assert "'./own.py' is a folder." in refused("verifier=./own.py:score")
    assert "there is no file './gone.py'" in refused("verifier=./gone.py:score")


def test_every_fault_of_a_command_is_in_one_report(tmp_path: Path) -> None:
    write(tmp_path, adv="def mine(rewards, advantage): return rewards\nimport nowhere")
    said = refused("verifier=./rewrad.py:score", "objective/advantage=./adv.py:mine", "seed=x")
    assert "rewrad" in said and "adv.py:2: imports nowhere" in said and "seed" in said


def test_a_place_that_takes_no_function_says_which_do(tmp_path: Path) -> None:
    write(tmp_path, agg="def mine(mask): return mask")
    said = refused("objective/aggregation=./agg.py:mine")
    assert "functions can be verifier, " in said and ", objective/advantage, " in said


def test_one_choice_of_a_sweep_is_told_by_itself() -> None:
    said = refused("verifier=number,./reward.py:scoer", multirun=True)
    assert "has no function or class 'scoer'. Did you mean score?" in said


def test_a_file_that_adds_to_the_search_path_may_import_from_there(tmp_path: Path) -> None:
    write(
        tmp_path,
        elsewhere__hidden="VALUE = 1.0\n",
        own=f"""
        import sys

        sys.path.append({str(tmp_path / "elsewhere")!r})
        from hidden import VALUE


        def score(response):
            return VALUE
        """,
    )
    assert composed("verifier=./own.py:score").runs


def test_an_import_within_try_may_fail_and_python_itself_is_never_beside(tmp_path: Path) -> None:
    write(
        tmp_path,
        random="raise RuntimeError",
        own="""
        import random
        try:
            import nowhere
        except ImportError:
            nowhere = None


        def score(response):
            return random.random()
        """,
    )
    assert composed("verifier=./own.py:score").runs


HIDING = "take away its default to be given the column, or call the option otherwise"


@pytest.mark.parametrize("asked", ["response, answer=None", "response, *, answer: str = 'x'"])
def test_an_option_that_would_hide_a_column_is_refused(asked: str, tmp_path: Path) -> None:
    write(tmp_path, own=f"def score({asked}):\n    return 1.0\n")
    said = refused("verifier=./own.py:score")
    assert "verifier.answer  is an option of score and a column of the rows" in said
    assert HIDING in said and "(own.py:1)" in said
    write(tmp_path, keep="def keep(prompt, level=2):\n    return True\n")
    said = refused("data_mix/filter=[./keep.py:keep]")
    assert "filter.keep.level  is an option of keep and a column" in said and HIDING in said


def test_an_option_that_hides_a_column_of_rows_that_a_function_makes_is_refused(
    tmp_path: Path,
) -> None:
    write(
        tmp_path,
        rows="def make(split):\n    return [{'prompt': '1+1=', 'sum': '2'}]\n",
        own="def score(response, sum=None):\n    return 1.0\n",
        fine="def score(response, sum, worth=1.0):\n    return worth * (sum == response)\n",
    )
    mix = ("~data_mix.train.arithmetic", "+data_mix.train.mine.split=train", "evaluation=null")
    chosen = ("sources.mine=./rows.py:make", *mix)
    said = refused(*chosen, "verifier=./own.py:score")
    assert "verifier.sum  is an option of score and a column" in said and HIDING in said
    assert composed(*chosen, "verifier=./fine.py:score").runs
