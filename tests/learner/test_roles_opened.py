"""The other models of a stage are opened where they are asked for, and equal ones are one copy."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from etude.curriculum.interface import StepPlan
from etude.errors import ModelError
from etude.learner.roles import Roles

HELD = ("objective/regularizer=[kl]", "objective/shaping=[kl_penalty]")
TWO_ROLES = (*HELD, "objective.regularizer.kl.role=judge")


def weights(policy: Any) -> dict[str, torch.Tensor]:
    return dict(policy.model.state_dict())


def same(one: Any, other: Any) -> bool:
    mine, theirs = weights(one), weights(other)
    return all(torch.equal(mine[name], theirs[name]) for name in mine)


def test_what_nothing_asks_for_is_not_opened(learner: Any) -> None:
    made = learner("models={}")
    assert not made.roles.scored("policy")
    assert made.roles.frozen("reference") is None


def test_a_role_is_what_it_is_loaded_from(learner: Any, tmp_path: Path) -> None:
    first = learner()
    with torch.no_grad():
        for weight in first.policy.model.parameters():
            weight.add_(0.5)
    first.policy.save(tmp_path / "M")
    moved = learner(*HELD, f"models.reference={tmp_path / 'M'}")
    assert same(moved.roles.frozen("reference"), first.policy)
    base = learner(*HELD, "models.reference=base")
    assert same(base.roles.frozen("reference"), base.policy)
    assert not same(base.policy, first.policy)


def test_frozen_roles_of_the_same_weights_are_one_copy(learner: Any) -> None:
    made = learner(*TWO_ROLES, "models.judge=start")
    judge, reference = made.roles.frozen("judge"), made.roles.frozen("reference")
    assert judge is reference
    assert judge is not made.policy
    assert not any(p.requires_grad for p in judge.model.parameters())
    assert made.roles.scoring("policy") == [(judge, ["judge", "reference"])]


def test_two_names_of_a_folder_are_one_copy_and_another_component_another(
    learner: Any, tmp_path: Path
) -> None:
    first = learner()
    first.policy.save(tmp_path / "M")
    names = (f"models.judge={tmp_path / 'M'}", f"models.reference={tmp_path / 'x' / '..' / 'M'}")
    (tmp_path / "x").mkdir()
    made = learner(*TWO_ROLES, *names)
    assert made.roles.frozen("judge") is made.roles.frozen("reference")
    other = learner(*TWO_ROLES, *names, "models.judge.model=scratch")
    assert other.roles.frozen("judge") is not other.roles.frozen("reference")


def test_a_trained_role_is_never_shared(learner: Any) -> None:
    made = learner("objective=ppo", *HELD, "models.critic=start")
    assert made.learner.critic._policy is not made.roles.frozen("reference")
    assert same(made.learner.critic._policy, made.roles.frozen("reference"))
    for step in range(2):  # a head of zeros hands the first step no gradient on
        made.step(step)
    assert not same(made.learner.critic._policy, made.roles.frozen("reference"))
    assert set(made.state_dict()["live"]["models.critic"]) == {"model", "head", "optimizer"}


def test_a_role_has_a_model_component_of_its_own(learner: Any) -> None:
    own = ("models.judge=base", "models.judge.model=tiny")
    made = learner(*TWO_ROLES, *own)
    judge = made.roles.frozen("judge")
    assert judge.causal_lm.config.hidden_size != made.policy.causal_lm.config.hidden_size
    metrics = made.step(0).metrics
    assert metrics["objective/kl_reference"] == pytest.approx(0.0, abs=1e-6)
    assert metrics["objective/kl_judge"] > 0


def test_log_probs_are_those_of_the_role_that_a_part_names(learner: Any) -> None:
    made = learner(*TWO_ROLES, "models.judge=base", "models.judge.model=tiny")
    groups = made.learner.rollouts.gather(0, StepPlan()).groups
    made.learner._old_and_role_logprobs(groups)
    rows = [row for group in groups for row in group]
    assert all(set(row.role_logprobs) == {"judge", "reference"} for row in rows)
    batch = made.learner._batch(groups, 0)
    assert set(batch.role_logprobs) == {"judge", "reference"}
    assert not torch.equal(batch.role_logprobs["judge"], batch.role_logprobs["reference"])


def test_a_role_of_other_tokens_cannot_score_rows(learner: Any) -> None:
    other = ("models.judge=base", "models.judge.model=tiny", "models.judge.model.tokenizer=bytes")
    with pytest.raises(ModelError, match=r"models\.judge=.* has another tokenizer"):
        learner(*TWO_ROLES, *other)


def test_a_missing_role_is_named_with_what_asks_for_it(learner: Any) -> None:
    made = learner("objective=ppo")
    roles = Roles(made.parts, made.context, made.policy)
    with pytest.raises(ModelError, match=r"models\.judge is not set"):
        roles.open("judge")


def test_a_model_with_a_value_head_is_used_without_it_and_said_so(
    learner: Any, tmp_path: Path
) -> None:
    made = learner("objective=ppo")
    made.step(0)
    made.export(tmp_path)
    folder = tmp_path / "roles" / "critic"
    with pytest.warns(RuntimeWarning, match=r"value_head\.safetensors.* is left aside"):
        started = learner(start=folder)
    assert same(started.policy, made.learner.critic._policy)
    with pytest.warns(RuntimeWarning, match="left aside"):
        learner(*TWO_ROLES, f"models.judge={folder}")
