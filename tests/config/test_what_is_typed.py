"""Every command and every hint that a person is given works when it is pasted into bash."""

from __future__ import annotations

import ast
import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from etude.config import command
from etude.config.front_check import FrontCheck
from etude.config.installation import installed
from etude.config.prepare import prepare, prepare_evaluation
from etude.config.quoting import pasted
from etude.config.report import report
from etude.errors import ConfigError

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]

#: Functions that quote what they are given.
QUOTING = ("pasted", "as_text", "command")

#: Words that stand for something of the reader's own.
_STANDS_FOR = re.compile(r"\b(?:[A-Z]{2,}|NAME|K)\b|…|\.\.\.")

#: An override in running text, up to the blank that ends it; what is in quotes may hold blanks.
_OVERRIDE = re.compile(
    r"(?<![\w./@~+\[{'\"$=-])[+~]{0,2}[A-Za-z_][\w./@-]*=(?:'[^']*'|\"[^\"]*\"|[^\s'\"`|])+"
)

#: What bash would take for itself outside quotes.
_SPECIAL = re.compile(r"[\[\]{}$*?()<>;&!\\]")


def words_of(line: str) -> list[str]:
    """Return the words that bash makes of a line."""
    done = subprocess.run(
        ["bash", "-c", f'printf "%s\\0" {line}'], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, f"bash refuses {line}: {done.stderr}"
    return done.stdout.split("\0")[:-1]


def unquoted(text: str) -> str:
    """Return what of a text stands outside quotes."""
    return re.sub(r"\$?'[^']*'|\"[^\"]*\"", "", text)


def overrides_in(text: str) -> list[str]:
    """Return the overrides that a message tells to type, without what ends the sentence."""
    return [found.rstrip(".,;:)").removesuffix(")") for found in _OVERRIDE.findall(text)]


def commands_of(page: Path) -> Iterator[str]:
    """Yield every command of a page: lines of its code blocks, and those in running text."""
    text = page.read_text(encoding="utf-8")
    blocks = re.findall(r"^```\w*\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
    lines = [line.strip() for block in blocks for line in block.splitlines()]
    rest = re.sub(r"^```.*?^```", "", text, flags=re.DOTALL | re.MULTILINE)
    lines += re.findall(r"`([^`\n]+)`", rest)
    for line in lines:
        if re.match(r"(train|evaluate|etude (?:plan|show|list|status|resume|logs))( |$)", line):
            line = re.sub(r"\s+#.*$| \[[A-Z]+\]", "", line)  # a remark; what may be left out
            if "=fish" not in line:
                yield line


def files_of(page: Path) -> dict[str, str]:
    """Return the Python files that a page's commands name.

    They are what the page itself shows (its blocks begin with their names), what README and
    own_code.md show, and components that tests train with and pages show without a name.
    """
    blocks = re.compile(r"^```python\n(.*?)^```", re.DOTALL | re.MULTILINE)
    text, readme, own = (
        path.read_text("utf-8") for path in (page, ROOT / "README.md", ROOT / "docs/own_code.md")
    )
    names = ("adv.py", "loss.py", "keep.py", "rows.py", "reg.py")
    shown = dict(zip(names, blocks.findall(own), strict=True))
    tried = {path.name: path.read_text("utf-8") for path in (ROOT / "tests").glob("*.py")}
    named = re.findall(r"\./(\w+\.py)", text)
    files = {name: tried[name] for name in named if name in tried}
    files |= {"reward.py": blocks.findall(readme)[0], **shown}
    for block in blocks.findall(text):
        name = re.match(r"# (\w+\.py)\b", block)
        if name is not None:
            files[name[1]] = block
    return files


def test_the_pages_have_commands() -> None:
    assert sum(len(list(commands_of(page))) for page in PAGES) > 150


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_the_commands_of_a_page_are_quoted_for_bash(page: Path) -> None:
    for line in commands_of(page):
        assert not _SPECIAL.search(unquoted(line)), line
        words_of(line)


@pytest.mark.parametrize(
    "page", [page for page in PAGES if page.stem != "methods"], ids=lambda page: page.stem
)
def test_the_commands_of_a_page_pass_the_front_check(
    page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A few of each page; `make test-long` tries all."""
    installed()  # of this folder
    for name, text in files_of(page).items():
        for folder in (tmp_path, tmp_path / "lab"):
            folder.mkdir(exist_ok=True)
            (folder / name).write_text(text, "utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    lines = [
        line
        for line in commands_of(page)
        if not _STANDS_FOR.search(line) and line.split()[0] in ("train", "evaluate")
    ]
    if os.environ.get("ETUDE_LONG") != "1":
        lines = lines[:: max(1, len(lines) // 6)]
    for line in lines:
        program, *words = words_of(line)
        read = command.read(words)
        check = FrontCheck(installed(), evaluate=program == "evaluate")
        found = check.run(read.overrides, multirun=read.multirun)
        faults = [each for each in (*read.faults, *found.faults) if "=mine" not in each.typed]
        assert not faults, line


def test_no_text_of_the_source_tells_an_unquoted_bracket() -> None:
    """What `pasted` and its like put together is quoted when printed; {name} is filled in."""
    unsafe = re.compile(
        r"(?<![\w'\"{\[(-])(?!(?:requires|provides|conflicts)=)[A-Za-z_~+][\w./@~+]*=(?=[\[*<]|\$\{|\{(?![\w.]+\}))"
    )
    told = []
    for path in sorted((ROOT / "src" / "etude").rglob("*.py")):
        source = path.read_text(encoding="utf-8")
        if not re.search(r"=(?:[\[{*<]|\$\{)", source):
            continue
        tree = ast.parse(source)
        calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
        names = [getattr(call.func, "id", getattr(call.func, "attr", "")) for call in calls]
        roots = [c for c, name in zip(calls, names, strict=True) if name in QUOTING]
        roots += [c.args[0] for c, name in zip(calls, names, strict=True) if name == "Fault"]
        quoted = {id(inner) for root in roots for inner in ast.walk(root)}
        docs = {
            id(node.body[0].value)
            for node in ast.walk(tree)
            if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef)
            and node.body
            and isinstance(node.body[0], ast.Expr)
        }
        for node in ast.walk(tree):
            if id(node) in quoted or id(node) in docs or path.name == "completion.py":
                continue
            text = ""
            if isinstance(node, ast.JoinedStr):
                text = "".join(p.value if isinstance(p, ast.Constant) else "X" for p in node.values)
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                text = node.value
            if unsafe.search(text):
                told.append(f"{path.name}:{node.lineno}: {text[:80]}")
    assert not told


#: Commands that are refused with something to type.
CATALOGUE = [
    "objective/regularizer=kl,entropy",
    "objective.regularizer.kl.coef=0.1 objective=grpo",
    "objective.regularizer=[kll]",
    "objective.advantage=rlo",
    "objective.advantage.name=rloo",
    "sources.new.path=x",
    "sources=gsm8k",
    "pipeline=[]",
    "pipeline=[sft,sft]",
    "pipeline=[none]",
    "training.steps=10",
    "name='a(b'",
    "name='a b,c'",
    "rollout.stop='[a(b]'",
    "model.path='{x}'",
    "evaluation.k=1,2",
    "steps=3",
    "lr=1",
    "objective=dpo",
    "stages.rl.objective=dapo,grpo",
    "objective=ghpo data_mix=gsm8k_answers",
    "verifier=math verifier.precision=-1",
    "fresh=[x]",
    "outputs='a b' training.stesp=1",
]


@pytest.mark.parametrize("typed", CATALOGUE)
def test_what_a_fault_tells_to_type_is_quoted_for_bash(typed: str) -> None:
    with pytest.raises(ConfigError) as refused:
        prepare(words_of(typed))
    for fault in refused.value.faults:
        for hint in overrides_in(fault.message):
            assert not _SPECIAL.search(unquoted(hint)), f"{hint}\n{report([fault])}"
            [word] = words_of(hint)
            assert pasted(word).partition("=")[0] == word.partition("=")[0]


def test_a_hint_that_is_typed_is_understood() -> None:
    group = "tracker.group"
    for typed in (f"{group}='a(b'", f"{group}='a b,c'", f"{group}=a,b", "rollout.stop='[a(b,c]'"):
        with pytest.raises(ConfigError) as refused:
            prepare(words_of(typed))
        hints = [hint for fault in refused.value.faults for hint in overrides_in(fault.message)]
        assert hints
        prepare(words_of(hints[-1]))


def test_a_refused_evaluation_tells_what_can_be_typed() -> None:
    with pytest.raises(ConfigError) as refused:
        prepare_evaluation(["evaluation=null"])
    hints = [hint for fault in refused.value.faults for hint in overrides_in(fault.message)]
    assert any(hint.startswith("checkpoint=") for hint in hints)
