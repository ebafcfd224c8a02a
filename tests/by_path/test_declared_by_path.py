"""What a class of a file declares of itself is read from its text, or told to be unreadable."""

from __future__ import annotations

from pathlib import Path

import pytest
from written import refused, write

from etude.config.installation import installed


@pytest.fixture(autouse=True)
def _in_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


#: What a verifier of a file declares, in ways that need no running of the file.
DECLARED = {
    "a list": "@component(requires=[Need('column:nothing')])",
    "a name": "@component(requires=ASKS)",
    "a name in a list": "@component(requires=[ONE])",
    "lists together": "@component(requires=['column:answer', *ASKS])",
    "a sum": "@component(requires=['column:answer'] + ASKS)",
    "another name": "@declare(requires=[Wants(what='column:nothing')])",
    "a class variable": "",
}


@pytest.mark.parametrize("way", DECLARED)
def test_what_a_class_of_a_file_needs_is_known_however_it_is_written(
    way: str, tmp_path: Path
) -> None:
    variable = "base_requires: ClassVar = ASKS" if way == "a class variable" else "pass"
    write(tmp_path, own=_class_of_a_file(DECLARED[way], variable))
    assert "needs the data column 'nothing'" in refused("verifier=./own.py:Own")


@pytest.mark.parametrize(
    ("decorator", "variable", "said"),
    [
        ("@component(requires=list(ASKS))", "pass", "declares what cannot be read (it is no list"),
        ("@component(**dict(requires=ASKS))", "pass", "declares what cannot be read (it is comp"),
        ("@component(requires=[Need(3)])", "pass", "declares what cannot be read (3 is no text)"),
        (
            "@component(requires=[Need(wat='x')])",
            "pass",
            "(a Need has what, when and why) (line 14",
        ),
        (
            "",
            "words: ClassVar[str] = 'a'.upper()",
            "has the class variable 'words': it is computed",
        ),
        ("", "words = 3", "has the class variable 'words': 3 is no text (line 19)"),
    ],
)
def test_what_a_class_declares_and_cannot_be_read_is_told_with_its_line(
    decorator: str, variable: str, said: str, tmp_path: Path
) -> None:
    write(tmp_path, own=_class_of_a_file(decorator, variable))
    report = refused("verifier=./own.py:Own")
    assert "own.py: Own " in report and said in report and "(line " in report


def test_a_class_variable_that_planning_does_not_read_may_be_computed(tmp_path: Path) -> None:
    write(tmp_path, own=_class_of_a_file("", "learner = 'a'.upper()"))
    found = installed().schema.find("verifier", "./own.py:Own")
    assert found is not None and found.words == ""


def _class_of_a_file(decorator: str, variable: str) -> str:
    return f"""
        from dataclasses import dataclass
        from typing import ClassVar

        from etude.component import Need, component
        from etude.component import Need as Wants, component as declare
        from etude.rows import Outcome, Verdict
        from etude.verifier.interface import Verifier

        ONE = Need("column:nothing")
        ASKS = [ONE]


        {decorator}
        @dataclass(frozen=True)
        class Own(Verifier):
            '''Nothing is right.'''

            {variable}

            def judge(self, candidate):
                return Verdict(Outcome.WRONG, {{"accuracy": 0.0}})
        """
