"""The real commands, in folders of their own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from warm_commands import Place, Warm


@pytest.fixture(scope="session")
def warm() -> Iterator[Warm]:
    """The process that commands are forked from."""
    process = Warm()
    yield process
    process.close()


@pytest.fixture
def here(warm: Warm, tmp_path: Path) -> Place:
    """An empty folder to type commands in."""
    return Place(tmp_path, warm)


@pytest.fixture(scope="module")
def elsewhere(warm: Warm, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Place]:
    """Return a function that makes further empty folders."""
    return lambda name: Place(tmp_path_factory.mktemp(name), warm)
