"""Hooks before a commit run what CI runs: each command is one that the Makefile runs."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
CONFIG = ROOT / ".pre-commit-config.yaml"


def hooks() -> list[dict[str, Any]]:
    (own,) = yaml.safe_load(CONFIG.read_text("utf-8"))["repos"]
    assert own["repo"] == "local", "a hook from elsewhere would be fetched before a commit"
    return list(own["hooks"])


def commands(*targets: str) -> list[str]:
    """Return what make would run for targets of an installed checkout, line by line."""
    words = ["make", "--dry-run", "--old-file=.venv/.ready", "--no-print-directory", *targets]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=True)
    return done.stdout.splitlines()


needs_make = pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed")


@needs_make
@pytest.mark.parametrize("hook", hooks(), ids=lambda hook: hook["id"])
def test_a_hook_runs_a_command_of_the_makefile(hook: dict[str, Any]) -> None:
    assert hook["entry"] in commands("lint", "types", "docs", "written")
    assert hook["language"] == "system", "the tools are those of .venv"
    assert not hook["pass_filenames"], "make runs it without files"


@needs_make
def test_a_commit_is_held_to_what_ci_holds_it_to_but_for_the_tests() -> None:
    """Whether files are those of the code, tests/config/test_generated_files.py asks there."""
    *checks, last = [line for line in commands("test") if line.startswith(("OMP", ".venv/bin/"))]
    assert "pytest" in last
    (written,) = commands("written")
    assert {hook["entry"] for hook in hooks()} == {*checks, written}


@needs_make
def test_ci_runs_make_test() -> None:
    ran = (ROOT / ".ci/run").read_text("utf-8").splitlines()[-1]
    assert ran.split()[-2:] == ["make", "test"]


@pytest.mark.parametrize("hook", hooks(), ids=lambda hook: hook["id"])
def test_a_hook_is_asked_for_by_files_that_are_there(hook: dict[str, Any]) -> None:
    """Each alternative of its pattern has a file: a folder that moves takes its hook along."""
    if (pattern := hook.get("files")) is None:
        assert hook["types_or"]
        return
    inner = re.fullmatch(r"\^\((.*)\)\$", pattern)
    assert inner is not None, pattern
    for one in inner[1].replace(r"\.", ".").split("|"):
        assert (ROOT / one.removesuffix(".*")).exists(), one
