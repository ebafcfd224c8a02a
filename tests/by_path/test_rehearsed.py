"""Parts of an objective are tried on made-up rows before anything trains."""

from __future__ import annotations

from pathlib import Path

import pytest
from written import planned, write

from etude.by_path import rehearsal
from etude.config.installation import installed
from etude.plan import rehearsed
from warm_commands import Place

PARTS = """
    def mine(rewards, groups, parts, *, rows=3):
        return rewards.reshape(-1, rows).flatten() - parts["accuracy"]


    def loss(logprobs, advantages, mask):
        return -(logprobs * advantages).sum() / mask.sum()


    def late(rewards, step, steps):
        return rewards * (1 - step / steps)


    def gpu(rewards):
        return rewards.to("cuda:7")
"""


@pytest.fixture(autouse=True)
def _in_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write(tmp_path, parts=PARTS)
    # A process for each would import torch again; the command below has its own.
    monkeypatch.setattr(rehearsal, "problems", rehearsal.tried_here)


def _told(folder: Path, *overrides: str) -> list[str]:
    return list(map(str, rehearsed.faults(planned(folder, *overrides), installed().schema)))


def test_what_fails_is_told_together_with_file_and_line(tmp_path: Path) -> None:
    advantage, loss = _told(
        tmp_path, "objective/advantage=./parts.py:mine", "objective/policy_loss=./parts.py:loss"
    )
    assert advantage.startswith("objective/advantage=./parts.py:mine  was tried on made-up rows")
    assert "RuntimeError: shape '[-1, 3]' is invalid" in advantage and "(parts.py:3)" in advantage
    assert "loss (parts.py:6) returned a tensor []; it returns the loss of every token" in loss


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (
            "if any(correct):\n        return True",
            r"returned nothing (None); it returns true or fal",
        ),
        ("return len(correct)", "returned 8, a int; it returns true or false for one group"),
        ("return [flag and flag for flag in correct]", "returned a list; it returns true or false"),
        ("return right", "NameError: name 'right' is not defined (own.py:2)"),
    ],
)
def test_a_filter_that_says_neither_yes_nor_no_is_told(
    body: str, said: str, tmp_path: Path
) -> None:
    write(tmp_path, own=f"def mine(correct):\n    {body}\n")
    (told,) = _told(tmp_path, "objective/filter=./own.py:mine", "training.rollouts_per_prompt=8")
    assert told.startswith("objective/filter=./own.py:mine  was tried on made-up rows")
    assert said in told


def test_a_filter_is_given_the_parts_of_the_stages_verifier(tmp_path: Path) -> None:
    write(
        tmp_path,
        own="def mine(parts):\n    return max(parts['brevity']) > 0\n",
        known="def score(response):\n    return {'accuracy': 1.0, 'brevity': 0.5}\n",
        unknown="def score(response):\n    return dict(accuracy=1.0, brevity=0.5)\n",
    )
    chosen = "objective/filter=./own.py:mine"
    assert not _told(tmp_path, chosen, "verifier=./known.py:score")
    assert not _told(tmp_path, chosen, "verifier=./unknown.py:score")
    assert "KeyError: 'brevity'" in _told(tmp_path, chosen)[0]


def test_a_class_that_cannot_be_made_or_raises_is_told_with_file_and_line(tmp_path: Path) -> None:
    write(
        tmp_path,
        cls="""
        from dataclasses import dataclass, replace

        from etude.objective.advantage.grpo import GroupRelative
        from etude.objective.parts import Advantage


        @dataclass(frozen=True)
        class Half(GroupRelative):
            def estimate(self, batch, state):
                return replace(super().estimate(batch, state), nothing=1)


        @dataclass(frozen=True)
        class Abstract(Advantage):
            scale: float = 1.0
        """,
    )
    (half,) = _told(tmp_path, "objective/advantage=./cls.py:Half")
    assert "failed: TypeError" in half and half.endswith("(cls.py:11)")
    (abstract,) = _told(tmp_path, "objective/advantage=./cls.py:Abstract")
    assert "cannot be used: TypeError: Can't instantiate abstract class Abstract" in abstract


def test_what_fits_the_groups_of_the_stage_or_wants_another_machine_is_no_fault(
    tmp_path: Path,
) -> None:
    fitting = ("objective/advantage=./parts.py:mine", "objective.advantage.rows=4")
    assert not _told(tmp_path, *fitting, "training.rollouts_per_prompt=4")
    assert not _told(tmp_path, "objective/advantage=./parts.py:late")
    assert not _told(tmp_path, "objective/advantage=./parts.py:gpu")


@pytest.mark.slow
def test_a_command_with_such_a_part_starts_nothing(here: Place) -> None:
    write(here.folder, parts=PARTS)
    ended = here.train("recipe=sft_then_rl", "objective/policy_loss=./parts.py:loss")
    assert ended.code == 2 and "Nothing was started." in ended.said
    assert not (here.folder / "outputs").exists()
