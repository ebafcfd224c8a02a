"""Several trackers are chosen as a list, and each is changed under its name."""

from __future__ import annotations

import pytest

from etude.build import build
from etude.config.installation import installed
from etude.config.prepare import prepare
from etude.config.several import spread
from etude.errors import ConfigError
from etude.tracker.none import NoTracker
from etude.tracker.several import each_of


@pytest.mark.parametrize(
    ("typed", "expected"),
    [
        (
            "tracker=[wandb,none]",
            ["tracker=several", "tracker.to.wandb=wandb", "tracker.to.none=none"],
        ),
        ("tracker=[ wandb ]", ["tracker=several", "tracker.to.wandb=wandb"]),
        ("tracker=[]", ["tracker=several"]),
        ("tracker=wandb", ["tracker=wandb"]),
        ("tracker.tags=[a,b]", ["tracker.tags=[a,b]"]),
        ("verifier=[number,math]", ["verifier=[number,math]"]),
        ("name=[wandb]", ["name=[wandb]"]),
    ],
)  # fmt: skip
def test_a_list_stands_for_its_choices(typed: str, expected: list[str]) -> None:
    assert spread([typed], installed().schema) == expected


def test_each_tracker_of_a_list_is_built_with_its_own_keys() -> None:
    words = ["recipe=sft", "tracker=[wandb,none]", "tracker.to.wandb.project=mine"]
    ((member, _),) = prepare(words).runs
    trackers = each_of(build(member.root["tracker"], "tracker"), "several")
    assert list(trackers) == ["none", "wandb"]
    assert isinstance(trackers["none"], NoTracker)
    assert trackers["wandb"].project == "mine"  # type: ignore[attr-defined]
    # As ever for one alone.
    ((member, _),) = prepare(["recipe=sft", "tracker.project=mine"]).runs
    (only,) = each_of(build(member.root["tracker"], "tracker"), "wandb").values()
    assert only.project == "mine"  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("typed", "says"),
    [
        (["tracker=[wandb,tensorbord]"], "Did you mean tensorboard?"),
        (["tracker=[wandb]", "tracker.to.wandb.projct=x"], "Did you mean project?"),
        (["tracker=[wandb]", "tracker.project=x"], "It belongs to tracker.to.wandb.project"),
    ],
)
def test_a_slip_is_told(typed: list[str], says: str) -> None:
    with pytest.raises(ConfigError) as caught:
        prepare(["recipe=sft", *typed])
    assert any(says in fault.message for fault in caught.value.faults), caught.value.faults
