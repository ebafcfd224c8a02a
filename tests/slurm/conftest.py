"""The fixtures `cluster` and `new_cluster`, and when tests that need them are skipped.

`cluster.py` tells how to use them. Where SLURM is missing they skip with the reason, except where
it had to be there: in CI as root on a system with apt-get, where `install.sh` puts it in place.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import Any

import pytest
from cluster import Cluster
from cluster_machine import locked
from cluster_presence import can_install, missing_commands, reason_to_skip
from tiny import SFT, train_here

MADE: pytest.StashKey[list[Cluster]] = pytest.StashKey()


def _require_slurm() -> None:
    reason = reason_to_skip(missing_commands(), os.environ, can_install())
    if reason is not None:
        pytest.skip(reason)


@pytest.fixture(scope="session")
def shared_cluster() -> Iterator[Cluster]:
    """The session's cluster. Take `cluster`, which also clears up after each test."""
    _require_slurm()
    session = os.environ.get("PYTEST_XDIST_TESTRUNUID", f"session-{os.getpid()}")
    cluster = Cluster.shared(session)
    if not cluster.is_default:
        warnings.warn(
            "/etc/slurm is not this cluster's: programs that drop SLURM_CONF need "
            "cluster.setup_lines to talk to it",
            stacklevel=1,
        )
    yield cluster
    cluster.stop()


@pytest.fixture
def cluster(shared_cluster: Cluster, request: pytest.FixtureRequest) -> Iterator[Cluster]:
    """The session's cluster; what the test submitted with `submit` is cancelled at its end."""
    request.node.stash.setdefault(MADE, []).append(shared_cluster)
    yield shared_cluster
    shared_cluster.cancel(*shared_cluster.submitted)
    shared_cluster.submitted.clear()


@pytest.fixture
def new_cluster(request: pytest.FixtureRequest) -> Iterator[Callable[..., Cluster]]:
    """Start clusters of the test's own, with options of their own; they end with the test."""
    _require_slurm()
    made = request.node.stash.setdefault(MADE, [])
    own: list[Cluster] = []

    def start(**options: Any) -> Cluster:
        cluster = Cluster(**options).start()
        made.append(cluster)
        own.append(cluster)
        return cluster

    yield start
    for cluster in own:
        cluster.stop()


@pytest.fixture(scope="session")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The stage `tiny.SFT`, trained once without an interruption in a process of this machine."""
    base = tmp_path_factory.getbasetemp()
    # Workers of pytest-xdist have folders of their own side by side.
    place = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "whole"
    with locked(place.with_suffix(".lock")):
        if not list(place.glob("stages/*/DONE.json")):
            train_here(place, *SFT)
    return place


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Add the logs of its clusters to the report of a test that failed."""
    report = yield
    if report.failed and call.when == "call":
        for cluster in item.stash.get(MADE, []):
            report.sections.append((f"SLURM in {cluster.folder}", cluster.logs()))
    return report
