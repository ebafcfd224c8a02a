"""The real commands in folders of their own, and how many golden cases passed by method."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from outpost_site import installed_at, search_path
from warm_commands import Place, Warm

#: What trains a model or starts processes: whoever asks for one of these is slow.
SLOW = frozenset(
    {
        "learner",
        "taught",
        "stage_from",
        "short_run",
        "here",
        "elsewhere",
        "warm",
        "warm_outside",
        "outpost",
    }
)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what asks for a slow fixture, for files to be free of it; leave out what is long."""
    for item in items:
        if SLOW & set(getattr(item, "fixturenames", ())):
            item.add_marker(pytest.mark.slow)
        if item.get_closest_marker("long") and not os.environ.get("ETUDE_LONG"):
            item.add_marker(pytest.mark.skip(reason="long: make test-long"))


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Print the number of golden cases that passed and how many there were."""
    counts: dict[str, Counter[str]] = {}
    for outcome in ("passed", "failed"):
        for report in terminalreporter.stats.get(outcome, []):
            for name, value in getattr(report, "user_properties", []):
                if name == "golden":
                    counts.setdefault(value, Counter())[outcome] += 1
    for method, counter in sorted(counts.items()):
        terminalreporter.write_line(
            f"golden {method}: {counter['passed']} of {counter.total()} cases passed"
        )


@pytest.fixture(scope="session")
def warm() -> Iterator[Warm]:
    """The process that commands are forked from."""
    process = Warm()
    yield process
    process.close()


@pytest.fixture(scope="session")
def outpost(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that the package of tests/outside is installed in."""
    return installed_at(tmp_path_factory)


@pytest.fixture(scope="session")
def warm_outside(outpost: Path) -> Iterator[Warm]:
    """The process that commands are forked from where that package is installed."""
    process = Warm(PYTHONPATH=search_path(outpost))
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
