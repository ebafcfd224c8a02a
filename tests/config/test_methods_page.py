"""Every command of docs/methods.md is one that `train` takes."""

from __future__ import annotations

import re
import shlex
from importlib.util import find_spec
from pathlib import Path

import pytest

from etude import schema
from etude.config.prepare import prepare

PAGE = Path(schema.__file__).parents[2] / "docs" / "methods.md"
COMMANDS = sorted(set(re.findall(r"`train ([^`]+)` \|", PAGE.read_text(encoding="utf-8"))))


def test_every_objective_has_a_line() -> None:
    page = PAGE.read_text(encoding="utf-8")
    for info in schema.load().choices("objective").values():
        assert not info.source or f"| {info.doc} |" in page


@pytest.mark.parametrize("command", COMMANDS)
def test_the_command_is_taken(command: str) -> None:
    for package in ("reasoning_gym", "vllm", "openenv", "verifiers"):
        if package in command and find_spec(package) is None:
            pytest.skip(f"the package {package} is not installed: pip install 'etude[{package}]'")
    assert prepare(shlex.split(command)).runs
