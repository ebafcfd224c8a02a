"""What is taken from the environment is stored as written and read where it is used."""

from __future__ import annotations

from typing import Any

import pytest

from etude.build import build
from etude.config import environment
from etude.config.prepare import prepare
from etude.errors import ConfigError
from etude.plan.graph import build_graph


@pytest.fixture(autouse=True)
def variables(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET", "hf_abc")
    monkeypatch.setenv("STEPS", "7")
    monkeypatch.delenv("UNSET", raising=False)


def last(*overrides: str) -> dict[str, Any]:
    """Return the config of a command's last stage."""
    return prepare(overrides).runs[0][1][-1].config


@pytest.mark.parametrize(
    ("typed", "kept", "read"),
    [
        ("${oc.env:SECRET}", "${oc.env:SECRET}", "hf_abc"),
        ("a-${oc.env:SECRET}-${seed}", "a-${oc.env:SECRET}-1", "a-hf_abc-1"),
        ("${oc.env:UNSET,x}", "${oc.env:UNSET,x}", "x"),
        ("${oc.env:UNSET,${seed}}", "${oc.env:UNSET,1}", "1"),
        ("${oc.decode:${oc.env:SECRET}}", "${oc.decode:${oc.env:SECRET}}", "hf_abc"),
        ("${oc.env:UNSET,null}", "${oc.env:UNSET,null}", None),
    ],
)
def test_text_is_kept_as_written_and_read_by_what_is_built(
    typed: str, kept: str, read: object
) -> None:
    tracker = last(f'tracker.group="{typed}"')["tracker"]
    assert tracker["group"] == kept
    assert environment.read(kept) == read
    assert build(tracker, "tracker").group == read


def test_a_reference_to_a_secret_is_kept_too() -> None:
    config = last("tracker.project=${oc.env:SECRET}", "tracker.group=${tracker.project}")
    assert "hf_abc" not in str(config)
    assert config["tracker"]["group"] == "${oc.env:SECRET}"


def test_texts_in_lists_and_mappings_are_kept() -> None:
    config = last("tracker.tags=['${oc.env:SECRET}',b]", "rollout.stop=['${oc.env:SECRET}']")
    assert config["tracker"]["tags"] == ["${oc.env:SECRET}", "b"]
    assert build(config["rollout"], "rollout").stop == ["hf_abc"]


def test_numbers_and_choices_are_read_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DEVICE", "cpu")
    config = last("stages.rl.training.steps=${oc.env:STEPS}", "execution.device=${oc.env:DEVICE}")
    assert config["training"]["steps"] == 7
    assert last('stages.rl.training.steps="${oc.decode:${oc.env:STEPS}}"')["training"]["steps"] == 7


@pytest.mark.parametrize(
    "word", ["tracker.group=${oc.env:UNSET}", "stages.rl.training.steps=${oc.env:UNSET}"]
)
def test_a_variable_that_is_not_set_is_a_fault_of_the_key(word: str) -> None:
    with pytest.raises(ConfigError, match="UNSET") as error:
        prepare([word])
    assert word.partition("=")[0] in str(error.value)


def test_a_value_that_does_not_fit_is_not_told(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigError) as error:
        prepare(["stages.rl.training.steps=${oc.env:SECRET}"])
    assert "hf_abc" not in str(error.value)


def test_what_a_result_depends_on_counts_by_value(monkeypatch: pytest.MonkeyPatch) -> None:
    def fingerprints(*words: str) -> set[str]:
        return set(build_graph(prepare(words).runs).stages)

    word = "rollout.stop=['${oc.env:SECRET}']"
    first = fingerprints(word)
    assert fingerprints("rollout.stop=[hf_abc]") == first
    monkeypatch.setenv("SECRET", "other")
    assert fingerprints(word) != first
    assert fingerprints("tracker.group=${oc.env:SECRET}") == fingerprints()
