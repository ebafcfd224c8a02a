"""The package of tests/outside, described and installed as a person would, once for a test run."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

NAME = "outpost"
SOURCE = Path(__file__).parent / "outside/package"


@contextmanager
def shared(factory: pytest.TempPathFactory, name: str) -> Iterator[Path]:
    """Yield a folder that all workers of a test run share, locked for as long as it is made."""
    base = factory.getbasetemp()
    base = base.parent if base.name.startswith("popen-") else base
    with (base / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield base / name


def installed_at(factory: pytest.TempPathFactory) -> Path:
    """Return the folder that the package is installed in; the first to ask installs it."""
    with shared(factory, "outpost-site") as site:
        if not (site / "done").exists():
            source = site.with_name("outpost-source")
            shutil.copytree(SOURCE, source, ignore=shutil.ignore_patterns("__pycache__"))
            _run(source, "-m", "etude.schema", "--package", NAME, path=source)
            flags = ["--quiet", "--no-deps", "--no-build-isolation", "--no-index"]
            _run(source, "-m", "pip", "install", *flags, "--target", str(site), str(source))
            (site / "done").touch()
    return site


def search_path(*folders: Path) -> str:
    """Return what PYTHONPATH is for packages in folders, beside what it holds."""
    return os.pathsep.join(filter(None, [*map(str, folders), os.environ.get("PYTHONPATH", "")]))


def _run(folder: Path, *words: str, path: Path | None = None) -> None:
    done = subprocess.run(
        [sys.executable, *words],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": search_path(*filter(None, [path]))},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
