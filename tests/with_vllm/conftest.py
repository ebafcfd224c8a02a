"""Tests with a real vLLM: in an environment of their own (`make test-vllm`), skipped elsewhere."""

from __future__ import annotations

import importlib.util

import pytest

MISSING = "the package vllm is not installed here: make test-vllm has an environment with it"


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what needs vLLM, and leave it out where that is not."""
    there = importlib.util.find_spec("vllm") is not None
    for item in items:
        if item.path.parent.name != "with_vllm":
            continue
        item.add_marker(pytest.mark.vllm)
        item.add_marker(pytest.mark.slow)
        if not there:
            item.add_marker(pytest.mark.skip(reason=MISSING))
