"""`etude list FILE.py` says what a file offers, for what place, and what keeps it from one."""

from __future__ import annotations

from pathlib import Path

import pytest
from written import REWARD, write

from etude.cli.completion import candidates
from etude.cli.etude import main
from etude.config.installation import installed


@pytest.fixture(autouse=True)
def _in_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize("command", [["list", "./reward.py"], ["show", "./reward.py:score"]])
def test_a_function_is_shown_with_its_place_options_and_parts(
    command: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(tmp_path, reward=REWARD)
    assert main(command) == 0
    assert capsys.readouterr().out.splitlines() == [
        "./reward.py:score  The right answer counts, and so does brevity.",
        "  verifier=./reward.py:score",
        "  asks for  prompt, response, columns",
        "  parts     accuracy, brevity",
        "  options   scale: a number, 1 by default",
    ]


def test_each_function_goes_to_the_place_whose_names_it_asks_for(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(
        tmp_path,
        parts="""
        def one(rewards, groups): return rewards
        def two(logprobs, advantages): return -logprobs
        def three(split): return []
        def four(correct): return any(correct)
        def broken(*texts): return 1.0
        """,
    )
    assert main(["list", "./parts.py"]) == 0
    said = capsys.readouterr().out
    for key, name in (
        ("objective/advantage", "one"),
        ("objective/policy_loss", "two"),
        ("sources.NAME", "three"),
        ("objective/filter", "four"),
    ):
        assert f"  {key}=./parts.py:{name}\n" in said
    assert "parts.py:6: broken takes *texts; it has to name what it wants" in said


def test_a_place_alone_is_no_override_and_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(tmp_path, reward=REWARD)
    assert main(["plan", "./reward.py:score"]) == 2
    assert "type verifier=./reward.py:score, say." in capsys.readouterr().err


def test_a_shell_completes_files_their_functions_and_their_options(tmp_path: Path) -> None:
    write(tmp_path, reward=REWARD, lib__other=REWARD, broken="def (")

    def offered(line: str) -> list[str]:
        return candidates("train", line, installed())

    assert offered("train verifier=./re") == ["verifier=./reward.py:"]
    assert offered("train verifier=number,./lib/") == ["verifier=number,./lib/other.py:"]
    assert offered("train verifier=./reward.py:s") == ["verifier=./reward.py:score"]
    assert offered("train verifier=./broken.py:") == []
    assert offered("train verifier=./reward.py:score verifier.sc") == ["verifier.scale="]
    assert "./lib/" in candidates("etude", "etude list ./", installed())
