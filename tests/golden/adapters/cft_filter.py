"""Critiques whose verdict agrees with the check of the solution."""

from __future__ import annotations

from typing import Any

from etude.data_mix.filter.critique_verdict import CritiqueVerdict

METHOD = "cft"
CONFIG = {"kind"}
INPUTS = {"items"}


def run(case: Any) -> None:
    assert case.config.take("kind") == "critique_filter"
    items = case.inputs.take("items")
    filtering = CritiqueVerdict()
    rows = {name: [item[name] for item in items] for name in filtering.columns()}
    assert all(set(item) == set(rows) for item in items)
    case.check("keep", filtering.choose(rows).kept.tolist())
