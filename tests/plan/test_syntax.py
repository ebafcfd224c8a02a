"""What counts of a source file: what it computes, and not how it is written or what it tells."""

from __future__ import annotations

import ast
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import etude
from etude.plan.digest import code_hashes
from etude.plan.syntax import form, syntax_hash

Rewrite = Callable[[str, str, str], None]

SOURCE = '''
"""A part."""
from dataclasses import dataclass

@component(source="arXiv 1", requires=[Need("model:reference", when="coef > 0", why="for x")])
@dataclass(frozen=True)
class Part:
    """What it is."""

    words: ClassVar[str] = "part ({coef})"
    rules: ClassVar[tuple[Rule, ...]] = (Rule("coef < 9", "is too much"),)
    coef: float = option(0.5, "how much", ge=0)
    other: Any = slot("plain", "which one")

    def value(self, x):
        """Return it."""
        if x < 0:
            raise DataError(f"{x} is below 0")
        return self.coef * x if x != 1 else f"{x:{self.coef}}"
'''


def of(text: str) -> str:
    return syntax_hash(ast.parse(text))


def changed(*pairs: tuple[str, str]) -> str:
    text = SOURCE
    for old, new in pairs:
        assert old in text
        text = text.replace(old, new)
    return of(text)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("A part.", "Another text."),
        ('"""A part."""', ""),
        ("What it is.", "What it was."),
        ("Return it.", "Return the value."),
        ("how much", "by how much"),
        ("which one", "which"),
        ("for x", "for y"),
        ("arXiv 1", "arXiv 2"),
        ("part ({coef})", "the part"),
        ("is too much", "is far too much"),
        ("is below 0", "must be positive"),
        ("    def value", "    # why\n\n    def value"),
        ("self.coef * x", "(self.coef  *  x)"),
    ],
)
def test_what_only_people_read_does_not_count(old: str, new: str) -> None:
    assert changed((old, new)) == of(SOURCE)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("0.5,", "0.25,"),
        ("0.5,", "1,"),
        ("ge=0", "ge=1"),
        ('slot("plain"', 'slot("other"'),
        ("coef > 0", "coef > 1"),
        ("x < 0", "x <= 0"),
        ("DataError", "ModelError"),
        ("!= 1", "!= 1.0"),
        ("!= 1", "!= True"),
        ("!= 1", "!= None"),
        ("self.coef * x", "self.coef + x"),
        ("{x:{self.coef}}", "{x}"),
        ("frozen=True", "frozen=False"),
    ],
)
def test_what_is_computed_counts(old: str, new: str) -> None:
    assert changed((old, new)) != of(SOURCE)


def test_no_two_expressions_have_one_form() -> None:
    texts = ["1", "1.0", "True", "'1'", "b'1'", "None", "[]", "()", "''", "0", "x", "-1", "1j"]
    forms = {form(ast.parse(text)) for text in texts}
    assert len(forms) == len(texts) - 1  # a text on its own says nothing; neither does the other
    assert form(ast.parse("'1'")) == form(ast.parse("''")) == "(Module)"


SFT = {"etude.learner.supervised", "etude.objective.sft"}
RL = {"etude.learner.policy_gradient", "etude.objective.grpo"}


def test_a_comment_in_shared_code_changes_no_print(rewritten: Rewrite) -> None:
    before = code_hashes(SFT), code_hashes(RL)
    rewritten("etude.objective.parts", "\n\n\n", "\n\n\n# a comment\n")
    assert (code_hashes(SFT), code_hashes(RL)) == before


def test_a_changed_line_of_a_learner_changes_its_prints_alone(rewritten: Rewrite) -> None:
    before = code_hashes(SFT), code_hashes(RL)
    rewritten("etude.learner.policy_gradient", "return ", "return 1 and ")
    assert code_hashes(SFT) == before[0]
    differ = {name for name, told in code_hashes(RL).items() if told != before[1].get(name)}
    assert differ == {"etude.learner.policy_gradient"}


@pytest.mark.parametrize("module", ["etude.errors", "etude.config.settings", "etude.component"])
def test_what_judges_tells_and_plans_counts_in_no_print(module: str, rewritten: Rewrite) -> None:
    before = code_hashes(SFT), code_hashes(RL)
    rewritten(module, "\nclass ", "\nx = 1\nclass ")
    assert (code_hashes(SFT), code_hashes(RL)) == before


def test_how_models_are_measured_counts_where_it_chooses_one() -> None:
    plain = code_hashes(RL)
    choosing = code_hashes(RL, evaluation=True)
    assert not any(name.startswith("etude.evaluation") for name in plain)
    assert "etude.evaluation.run" in choosing
    assert plain.items() <= choosing.items()


def _other_pythons() -> list[str]:
    """Return the other Pythons that etude runs on and this machine has."""
    found = []
    for minor in (11, 12, 13):
        if minor == sys.version_info.minor:
            continue
        managed = sorted(map(str, Path.home().glob(f".pyenv/versions/3.{minor}.*/bin/python")))
        for path in [*managed, shutil.which(f"python3.{minor}")]:
            if path and subprocess.run([path, "--version"], capture_output=True).returncode == 0:
                found.append(path)
                break
    return found


ALL = """
import ast, hashlib, sys
from pathlib import Path
namespace = {}
exec(compile(Path(sys.argv[1], "plan/syntax.py").read_text(), "syntax", "exec"), namespace)
whole = hashlib.sha256()
for path in sorted(Path(sys.argv[1]).rglob("*.py")):
    whole.update(namespace["syntax_hash"](ast.parse(path.read_bytes())).encode())
print(whole.hexdigest())
"""


def test_every_python_reads_the_same() -> None:
    others = _other_pythons()
    if not others:
        pytest.skip("there is no other Python from 3.11 to 3.13 on this machine")
    folder = str(Path(etude.__file__).parent)
    told = {
        python: subprocess.run(
            [python, "-c", ALL, folder], capture_output=True, text=True, check=True
        ).stdout
        for python in [sys.executable, *others]
    }
    assert len(set(told.values())) == 1, told


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (
            "def f(): words: list[str] = ['a']; return words",
            "def f(): words: list[str] = ['b']; return words",
        ),
        ("words: ClassVar[str] = 'a'", "words: ClassVar[str] = 'b'"),
        ("class A:\n    rules: list[int] = [1]", "class A:\n    rules: list[int] = [2]"),
        ("judge(source='a')", "judge(source='b')"),
        ("def f(x): return option('a', x)", "def f(x): return option('a', x + 1)"),
        (
            "class A:\n    def f(self): return slot('a', 1)",
            "class A:\n    def f(self): return slot('a', 2)",
        ),
        ("def f(x): raise Found(x)", "def f(x): raise Found(x + 1)"),
    ],
)
def test_what_only_looks_like_a_declaration_counts(one: str, other: str) -> None:
    assert of(one) != of(other)
