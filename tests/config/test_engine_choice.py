"""What `rollout=vllm` cannot do here is told when it is typed."""

from __future__ import annotations

import importlib.util
from importlib.machinery import ModuleSpec
from pathlib import Path
from typing import Any

import pytest

from etude.config import check_needs
from etude.config.prepare import prepare
from etude.errors import ConfigError
from etude.plan.estimate import estimate
from etude.schema import load

RL = ["recipe=rl", "rollout=vllm"]


@pytest.fixture
def with_vllm(monkeypatch: pytest.MonkeyPatch) -> None:
    def found(name: str) -> Any:
        return ModuleSpec(name, None) if name == "vllm" else importlib.util.find_spec(name)

    monkeypatch.setattr(check_needs, "find_spec", found)


def refused(*words: str) -> str:
    with pytest.raises(ConfigError) as caught:
        prepare([*RL, *words])
    return str(caught.value)


def test_without_the_package_it_is_said_what_to_type(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(check_needs, "find_spec", lambda name: None)
    said = refused()
    assert "needs the package vllm to sample with" in said
    assert "pip install 'etude[vllm]'" in said
    # Servers have it themselves.
    assert prepare([*RL, "rollout.mode=server", "rollout.url=[http://there:8000]"]).runs


@pytest.mark.usefixtures("with_vllm")
def test_what_is_trained_on_is_drawn_from_the_whole_distribution() -> None:
    assert prepare(RL).runs
    for narrowed in ("rollout.top_p=0.9", "rollout.top_k=20"):
        assert "does not know what was cut away" in refused(narrowed)
    # What is only measured may be narrowed.
    assert prepare(["recipe=sft", "rollout=vllm", "rollout.top_p=0.9"]).runs


@pytest.mark.usefixtures("with_vllm")
def test_keys_and_parts_of_the_other_engine_are_refused() -> None:
    assert "rollout has no key 'token_budget'" in refused("rollout.token_budget=1000")
    said = refused("rollout.url=[http://there:8000]")
    assert "rollout.mode is process, which has no address. Type rollout.mode=server" in said


@pytest.mark.usefixtures("with_vllm")
def test_several_models_are_not_combined_by_an_engine_that_shows_no_logits() -> None:
    mixed = ["rollout/logits=./tests/two_voices.py:Mixture", "models.guide=base"]
    said = refused(*mixed)
    assert "needs an engine that shows logits to combine those of several models" in said
    assert "rollout=transformers  has it" in said


@pytest.mark.usefixtures("with_vllm")
def test_the_plan_counts_the_memory_of_an_engine_beside_the_trainer(tmp_path: Path) -> None:
    def memory(*words: str) -> Any:
        ((_, (stage,)),) = prepare(["recipe=rl", *words]).runs
        found = estimate(stage.config, "policy_gradient", tmp_path, load())
        assert found.memory is not None
        return found.memory

    within, beside = memory(), memory("rollout=vllm", "rollout.cache_gib=2")
    assert within.cache > 0 and within.engine == 0
    assert beside.cache == 0
    assert beside.engine == pytest.approx(2 * 2**30 + 3 * within.weights)
    assert beside.peak - within.peak == pytest.approx(beside.engine)
