"""What the pages of docs/ show as one's own runs as it stands there, with the command beside it.

A block of code that begins with the name of its file is that file. A fenced line that begins with
`train` and names such a file, or chooses one of a folder of files, is typed where they lie.
"""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from etude.config.installation import installed
from etude.config.prepare import prepare
from etude.errors import ConfigError
from warm_commands import SMALL, Place

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]

_BLOCK = re.compile(r"^```(\w*)\n(.*?)^```", re.MULTILINE | re.DOTALL)
_NAMED = re.compile(r"# (?P<file>[\w/]+\.(?:py|yaml))\b")

#: What stands for something of the reader's own → what is there.
INSTEAD = {"=FOLDER": "=base", "=judge_sft": "=base", "~/lab/": "./", " PATH": " base"}

#: What a command needs besides: a tiny model is right too rarely for a filter of groups.
MORE = {"keep.py:mine": ["+reward_weighting.weights.length=0.1"]}

#: Page → blocks of Python that are no file: what they need, and they are run as they stand.
PIECES = {
    "config.md": "from collections.abc import Mapping\n"
    "from etude.component import slot, slots\n"
    "from etude.objective.parts import GroupFilter as Filter\n"
    "from etude.verifier.interface import Verifier\n",
    "data.md": "",
    "tracking.md": "from typing import ClassVar\n",
    "README.md": "",
}

#: Page → the test that runs its python, because it needs results or starts a run.
ELSEWHERE = {"report.md": "tests/cli/test_notebook.py"}


@dataclass(frozen=True)
class Shown:
    """The files that a page shows, by name, and the commands that it types beside them."""

    page: str
    files: dict[str, str]
    commands: tuple[str, ...]

    @property
    def first(self) -> tuple[str, ...]:
        """Return a command for each file that no other test has: the first that names it."""
        own = {file.name: file.read_text() for file in (ROOT / "tests").glob("*.py")}
        names = [f"./{name}:" for name, text in self.files.items() if own.get(name) != text]
        found = (next((c for c in self.commands if name in c), None) for name in names)
        return tuple(dict.fromkeys(command for command in found if command is not None))


def read(page: Path) -> Shown:
    """Return what a page shows; README.md's verifier is that of the other pages, too."""
    files: dict[str, str] = {}
    commands: list[str] = []
    for kind, text in _BLOCK.findall(page.read_text()):
        if named := _NAMED.match(text):
            files[named["file"]] = text
        elif not kind:
            commands += [line.strip() for line in text.splitlines() if line.startswith("train ")]
    own = [command for command in commands if "./" in command or "~/lab/" in command]
    return Shown(page.name, files, tuple(own))


PAGES_SHOWN = [shown for shown in map(read, PAGES) if shown.files]
REWARD = next(
    text
    for kind, text in _BLOCK.findall((ROOT / "README.md").read_text())
    if kind == "python" and "def score(" in text
)


def written(shown: Shown, folder: Path) -> Path:
    """Write the files of a page into a folder."""
    for name, text in {"reward.py": REWARD, **shown.files}.items():
        place = folder / name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text)
    return folder


def typed(command: str) -> list[str]:
    """Return the words of a command after `train`, with what is there in the reader's place."""
    more = [word for part, words in MORE.items() if part in command for word in words]
    for old, new in INSTEAD.items():
        command = command.replace(old, new)
    return shlex.split(command, comments=True)[1:] + more


def composes(words: list[str]) -> None:
    multirun = "-m" in words
    rest = [word for word in words if word != "-m"]
    prepare(rest, multirun=multirun, installation=installed(Path.cwd()))


def small_for(words: list[str]) -> list[str]:
    """Return what makes a command small, without the keys that its stages do not read."""
    sizes = [word for word in SMALL if word.partition("=")[0] not in " ".join(words)]
    try:
        composes([*words, "debug=true", *sizes])
    except ConfigError as error:
        told = [fault for fault in error.faults if "changes no stage" in fault.message]
        assert len(told) == len(error.faults), error
        unread = {fault.typed for fault in told}
        sizes = [word for word in sizes if word not in unread]
    return ["debug=true", *sizes]


@pytest.mark.parametrize("shown", PAGES_SHOWN, ids=lambda shown: shown.page)
def test_every_command_of_a_page_composes(
    shown: Shown, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(written(shown, tmp_path))
    for name in shown.files:
        if not name.endswith(".py"):
            folder, _, choice = name.removesuffix(".yaml").rpartition("/")
            group = folder.removeprefix("conf/").removesuffix("s" * (not folder.startswith("conf")))
            assert installed(tmp_path).choice(group, choice) is not None, name
        else:
            said = [" ".join(typed(command)) for command in shown.commands]
            assert any(f"./{name}:" in command for command in said), name
    for command in shown.commands:
        composes(typed(command))


@pytest.mark.parametrize("page", PIECES)
def test_every_other_piece_of_python_runs(page: str) -> None:
    place = ROOT / page if page == "README.md" else ROOT / "docs" / page
    for kind, text in _BLOCK.findall(place.read_text()):
        if kind == "python" and not _NAMED.match(text):
            exec(compile(PIECES[page] + text, page, "exec"), {"__name__": "shown"})


def test_no_page_has_python_that_nobody_runs() -> None:
    for page in PAGES:
        blocks = [text for kind, text in _BLOCK.findall(page.read_text()) if kind == "python"]
        if any(not _NAMED.match(text) for text in blocks):
            own = ELSEWHERE.get(page.name)
            known = page.name in (ROOT / own).read_text() if own else page.name in PIECES
            assert known, page.name


@pytest.mark.slow
@pytest.mark.parametrize(
    ("shown", "command"),
    [
        pytest.param(shown, command, id=f"{shown.page}: {command}")
        for shown in PAGES_SHOWN
        for command in (shown.commands if os.environ.get("ETUDE_LONG") else shown.first)
    ],
)
def test_what_a_page_shows_trains(
    elsewhere: Callable[[str], Place],
    monkeypatch: pytest.MonkeyPatch,
    shown: Shown,
    command: str,
) -> None:
    place = elsewhere("shown")
    monkeypatch.chdir(written(shown, place.folder))
    words = typed(command)
    ended = place.train(*words, *small_for(words))
    assert ended.code == 0, ended.said
    assert list((place.folder / "outputs/stages").glob("*/DONE.json"))
