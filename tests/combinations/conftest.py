"""A model that solves some problems, and the table of how drawn combinations ended."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from outcome import table

from outpost_site import shared
from warm_commands import Place, Warm, small

#: Under this name a test records how its combination ended and what was drawn.
RECORDED = "combination"

TAUGHT = (
    "recipe=sft",
    "data_mix=arithmetic_worked",
    'data_mix.response_template="A:{answer}"',
    "training.steps=80",
    "optimizer.lr=1e-2",
    "evaluation=null",
    *small("training.prompts", "training.rollouts", "rollout", "evaluation", "sources"),
    "sources.arithmetic.train_size=12",
    "sources.arithmetic.test_size=12",
)


@pytest.fixture(scope="session")
def taught(warm_outside: Warm, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The folder of a model that solves some of the dozen problems of each level.

    Workers of one run share it; the first to want it trains it.
    """
    with shared(tmp_path_factory, "taught") as folder:
        place = Place(folder, warm_outside)
        if not place.folder.exists():
            place.folder.mkdir()
            ended = place.train(*TAUGHT)
            assert ended.code == 0, ended.said
        (model,) = place.folder.glob("outputs/stages/sft-*/model")
    yield str(model)


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Print the share of combinations that trained and that were refused, by group."""
    reports = [r for each in ("passed", "failed") for r in terminalreporter.stats.get(each, [])]
    found = [
        json.loads(value)
        for report in reports
        for name, value in getattr(report, "user_properties", [])
        if name == RECORDED
    ]
    for line in table(found) if found else []:
        terminalreporter.write_line(line)
