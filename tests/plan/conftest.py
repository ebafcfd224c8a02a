"""Source files of etude as planning would read them with a line changed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from etude.plan import digest


@pytest.fixture
def rewritten(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str, str, str], None]:
    """Return a function that has planning read a module of etude with a text replaced."""

    def rewrite(module: str, old: str, new: str) -> None:
        real = digest.module_file(module)
        assert real is not None
        text = real.read_text()
        assert old in text, f"{module} has no {old!r}"
        copy = tmp_path / real.name
        copy.write_text(text.replace(old, new, 1))
        original = digest.module_file
        monkeypatch.setattr(digest, "module_file", lambda m: copy if m == module else original(m))

    return rewrite
