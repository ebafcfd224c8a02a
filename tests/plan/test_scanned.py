"""What source files say is remembered between commands, and never told of another content."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from etude.plan import scanned, syntax
from etude.plan.scanned import Scans


@pytest.fixture
def source(tmp_path: Path) -> Path:
    file = tmp_path / "part.py"
    file.write_text("from .shape import line\nx = 1\n")
    return file


@pytest.fixture
def memory(tmp_path: Path) -> Path:
    return tmp_path / "memory"


def said(source: Path, memory: Path, module: str = "pack.part") -> scanned.Scanned:
    """Return what a command finds that has this memory, and leaves to the next."""
    scans = Scans(memory)
    found = scans.of(source, module)
    scans.save()
    return found


def forbid_parsing(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("parsed again")

    monkeypatch.setattr(scanned.ast, "parse", refuse)


def test_what_one_command_parsed_the_next_one_knows(
    source: Path, memory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = said(source, memory)
    assert "pack.shape.line" in first.imports
    forbid_parsing(monkeypatch)
    assert said(source, memory) == first


def test_another_content_of_equal_size_and_time_is_another(source: Path, memory: Path) -> None:
    first, stat = said(source, memory), source.stat()
    source.write_text(source.read_text().replace("x = 1", "x = 2"))
    os.utime(source, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert said(source, memory).says != first.says


def test_one_content_in_two_packages_imports_from_its_own(source: Path, memory: Path) -> None:
    said(source, memory)
    assert "other.shape" in said(source, memory, "other.part").imports


@pytest.mark.parametrize(
    "torn", ["", "{", "[]", '{"x": 1}', '{"x": ["a", [1]]}', "[" * 100_000, "\x00"]
)
def test_a_memory_that_cannot_be_read_costs_parsing_again(
    torn: str, source: Path, memory: Path
) -> None:
    first = said(source, memory)
    (store,) = memory.iterdir()
    store.write_text(torn)
    assert said(source, memory) == first
    assert said(source, memory) == first


def test_a_memory_that_cannot_be_written_is_none(
    source: Path, memory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    memory.write_text("a file where the folder would be")
    assert said(source, memory) == said(source, memory)
    monkeypatch.setattr(scanned, "_cache", lambda: None)
    scans = Scans()
    assert scans.of(source, "pack.part") == said(source, memory)
    scans.save()


def test_what_another_version_of_the_reader_said_is_not_believed(
    source: Path, memory: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said(source, memory)
    changed = tmp_path / "syntax.py"
    changed.write_text(Path(syntax.__file__).read_text() + "\nX = 1\n")
    monkeypatch.setattr(syntax, "__file__", str(changed))
    forbid_parsing(monkeypatch)
    with pytest.raises(AssertionError, match="parsed again"):
        said(source, memory)


def test_a_memory_of_too_much_keeps_what_is_used(
    source: Path, memory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said(source, memory)
    monkeypatch.setattr(scanned, "_MOST", 1)
    source.write_text("y = 1\n")
    kept = said(source, memory)
    forbid_parsing(monkeypatch)
    assert said(source, memory) == kept
    source.write_text("from .shape import line\nx = 1\n")
    with pytest.raises(AssertionError, match="parsed again"):
        said(source, memory)


def test_what_is_no_python_is_an_error_every_time(source: Path, memory: Path) -> None:
    source.write_text("def\n")
    for _ in range(2):
        with pytest.raises(SyntaxError):
            Scans(memory).of(source, "pack.part")
