"""Every preset composes to the parts its paper has."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import pytest
import torch
from objective_cases import composed, presets

from etude import schema
from etude.objective.policy_gradient import PolicyGradient
from etude.objective.supervised import Supervised

torch.set_num_threads(1)

#: preset → the values that make it what it is
PAPERS: dict[str, dict[str, Any]] = {
    "reinforce": {"advantage": "reinforce", "policy_loss": "reinforce"},
    "rloo": {
        "advantage": "rloo",
        "policy_loss": "sequence_clipped",
        "aggregation": "seq_mean_token_sum",
    },
    "grpo": {
        "advantage": "grpo",
        "policy_loss": "clipped",
        "policy_loss.clip_low": 0.2,
        "policy_loss.clip_high": 0.2,
        "aggregation": "seq_mean_token_mean",
    },
    "dr_grpo": {
        "advantage": "dr_grpo",
        "aggregation": "fixed_length",
        "aggregation.divide_by_rows": True,
    },
    "dapo": {
        "policy_loss.clip_high": 0.28,
        "policy_loss.dual_clip": 10.0,
        "aggregation": "token_mean",
        "filter": "dynamic_sampling",
        "filter.max_batches": 10,
        "shaping": ["soft_overlong"],
        "masking": ["overlong_filter"],
    },
    "reinforce_plus_plus": {"advantage": "reinforce_plus_plus", "advantage.gamma": 1.0},
    "reinforce_plus_plus_baseline": {"advantage": "reinforce_plus_plus_baseline"},
    "gspo": {
        "policy_loss": "gspo",
        "policy_loss.clip_low": 3e-4,
        "policy_loss.clip_high": 4e-4,
        "aggregation": "seq_mean_token_mean",
    },
    "cispo": {"policy_loss": "cispo", "policy_loss.max_ratio": 5.0, "aggregation": "token_mean"},
    "ppo": {
        "advantage": "gae",
        "advantage.gamma": 1.0,
        "advantage.lam": 0.95,
        "advantage.whiten": True,
        "critic": "value",
        "critic.loss": "squared",
        "critic.loss.clip": 0.2,
        "policy_loss": "clipped",
        "policy_loss.clip_low": 0.2,
        "policy_loss.clip_high": 0.2,
        "aggregation": "token_mean",
    },
    "rft": {
        "advantage": "constant",
        "advantage.value": 1.0,
        "selection": ["correct"],
        "policy_loss": "reinforce",
        "aggregation": "token_mean",
    },
    "raft_plus_plus": {
        "advantage": "constant",
        "selection": ["correct"],
        "policy_loss": "clipped",
        "policy_loss.clip_low": 0.2,
        "policy_loss.clip_high": 0.2,
        "aggregation": "token_mean",
    },
    "bnpo": {
        "advantage": "bnpo",
        "advantage.weight_cap": 1e6,
        "policy_loss.clip_low": 0.2,
        "policy_loss.clip_high": 0.28,
        "policy_loss.dual_clip": 10.0,
        "aggregation": "seq_mean_token_sum",
    },
    "rec": {
        "advantage": "rec",
        "advantage.drop": "none",
        "policy_loss": "rec",
        "policy_loss.clip_mode": "none",
        "policy_loss.weight": "none",
        "policy_loss.regularizer": "none",
        "aggregation": "token_mean",
    },
    "opmd": {
        "advantage": "opmd",
        "advantage.baseline": "mean",
        "policy_loss": "opmd",
        "policy_loss.tau": 1.0,
        "aggregation": "token_mean",
    },
    "asymre": {
        "advantage": "asymre",
        "advantage.shift": -0.1,
        "policy_loss": "opmd",
        "policy_loss.tau": 1.0,
        "aggregation": "token_mean",
    },
    "riskpo": {
        "advantage": "riskpo",
        "advantage.bundle_size": 5,
        "advantage.alpha": 0.2,
        "advantage.beta": 0.9,
        "advantage.tail_weight": 1.5,
        "policy_loss.clip_low": 0.2,
        "policy_loss.clip_high": 0.2,
        "policy_loss.dual_clip": 3.0,
        "aggregation": "token_mean",
    },
    "chord": {
        "advantage": "grpo",
        "policy_loss.clip_low": 0.2,
        "policy_loss.clip_high": 0.2,
        "policy_loss.dual_clip": 3.0,
        "aggregation": "token_mean",
        "imitation": "chord",
        "imitation.mu_peak": 0.1,
        "imitation.mu_valley": 0.1,
        "imitation.phi": True,
    },
    "relift": {
        "advantage": "dr_grpo",
        "policy_loss.clip_low": 1.0,
        "aggregation.divide_by_rows": False,
        "auxiliary": ["token_mean_entropy"],
        "extra_update": ["relift"],
    },
    "ghpo": {
        "guidance": "hints",
        "guidance.hint_ratios": [0.25, 0.5, 0.75],
        "guidance.escalation": "within_step",
        "advantage": "grpo",
        "advantage.epsilon": 1e-4,
        "policy_loss.clip_low": 0.2,
        "policy_loss.clip_high": 0.2,
        "aggregation": "token_mean",
    },
    "guide": {
        "guidance": "guide",
        "guidance.failure_threshold": 0.0,
        "guidance.group": "union",
        "guidance.denominator_context": "hinted",
        "advantage": "grpo",
        "advantage.epsilon": 1e-6,
        "policy_loss": "clipped",
        "aggregation": "token_mean",
    },
    "luffy": {
        "guidance": "demonstrations",
        "guidance.count": 1,
        "guidance.min_ratio": 1.0,
        "advantage": "dr_grpo",
        "policy_loss": "luffy",
        "policy_loss.off_reshape": "p_div_p_0.1",
        "policy_loss.clip": None,
        "aggregation": "fixed_length",
        "aggregation.divide_by_rows": False,
        "auxiliary": ["token_mean_entropy"],
    },
    "rl_plus": {
        "guidance": "demonstrations",
        "guidance.count": 1,
        "guidance.min_ratio": 1.0,
        "advantage": "dr_grpo",
        "policy_loss": "rl_plus",
        "policy_loss.gamma": 0.5,
        "policy_loss.clip": None,
        "aggregation": "fixed_length",
        "aggregation.divide_by_rows": False,
        "auxiliary": ["token_mean_entropy"],
    },
    "clip_cov": {
        "advantage": "grpo",
        "filter": "dynamic_sampling",
        "policy_loss": "clipped",
        "policy_loss.clip_low": 1.0,
        "policy_loss.clip_high": 1.0,
        "policy_loss.dual_clip": None,
        "modifier": ["clip_cov"],
        "aggregation": "token_mean",
    },
    "kl_cov": {
        "advantage": "grpo",
        "filter": "dynamic_sampling",
        "policy_loss.clip_low": 1.0,
        "policy_loss.clip_high": 1e9,
        "modifier": ["kl_cov"],
        "aggregation": "token_mean",
    },
    "entropy_regularisation": {
        "advantage": "grpo",
        "policy_loss": "clipped",
        "regularizer": ["entropy"],
        "aggregation": "token_mean",
    },
    "d3s": {
        "advantage": "grpo",
        "policy_loss": "clipped",
        "selection": ["d3s_rows", "d3s_tokens"],
        "aggregation": "token_mean",
    },
    "psr": {
        "advantage": "signed",
        "advantage.positive_weight": 1.0,
        "selection": ["correct"],
        "policy_loss.clip_low": 0.2,
        "policy_loss.clip_high": 0.2,
        "policy_loss.dual_clip": None,
        "regularizer": ["entropy"],
        "aggregation": "token_mean",
    },
    "nsr": {
        "advantage": "signed",
        "advantage.positive_weight": 1.0,
        "selection": ["wrong"],
        "policy_loss.clip_low": 0.2,
        "policy_loss.clip_high": 0.2,
        "policy_loss.dual_clip": None,
        "regularizer": ["entropy"],
        "aggregation": "token_mean",
    },
    "w_reinforce": {
        "advantage": "signed",
        "advantage.positive_weight": 0.1,
        "selection": [],
        "policy_loss.clip_low": 0.2,
        "policy_loss.clip_high": 0.2,
        "policy_loss.dual_clip": None,
        "regularizer": ["entropy"],
        "aggregation": "token_mean",
    },
    "rover": {
        "advantage": "dr_grpo",
        "policy_loss": "rover",
        "policy_loss.rho": 1.0,
        "policy_loss.next_value": 1.0,
        "policy_loss.clip": None,
        "aggregation": "token_mean",
    },
    "pacs": {
        "advantage": "none",
        "policy_loss": "pacs",
        "policy_loss.beta": 1.0,
        "policy_loss.score": "log_ratio",
        "policy_loss.baseline": "rloo",
        "policy_loss.weights": "question",
    },
    "tw_grpo": {
        "advantage.epsilon": 1e-4,
        "policy_loss.clip_low": 0.2,
        "policy_loss.clip_high": 0.28,
        "policy_loss.dual_clip": None,
        "modifier": ["tw_grpo"],
        "aggregation": "token_mean",
    },
    "drpo": {
        "advantage": "none",
        "policy_loss": "drpo",
        "policy_loss.length_temperature": 0.1,
        "policy_loss.tau": 10.0,
        "policy_loss.delta": 1e-4,
        "policy_loss.beta": 1e3,
        "policy_loss.kl": "k1",
    },
}


def value_at(objective: Any, path: str) -> Any:
    value = objective
    for key in path.split("."):
        value = getattr(value, key)
    if isinstance(value, Mapping):
        return list(value)
    declaration = getattr(type(value), "declaration", None)
    return declaration.name if declaration else value


def test_what_is_described_here_is_there() -> None:
    assert set(PAPERS) <= set(presets("policy_gradient"))


@pytest.mark.parametrize("name", PAPERS)
def test_a_preset_has_the_parts_of_its_paper(name: str) -> None:
    objective = composed(f"objective={name}")
    assert isinstance(objective, PolicyGradient)
    assert {path: value_at(objective, path) for path in PAPERS[name]} == PAPERS[name]


@pytest.mark.parametrize("name", PAPERS)
def test_a_preset_has_no_kl_and_one_source(name: str) -> None:
    objective = composed(f"objective={name}")
    assert "kl" not in objective.regularizer
    assert "kl_penalty" not in objective.shaping
    assert schema.load().choices("objective")[name].source


def test_parts_can_be_swapped_from_the_command_line() -> None:
    swapped = composed("objective=dapo", "objective/policy_loss=cispo", "objective/shaping=[]")
    assert value_at(swapped, "policy_loss") == "cispo"
    assert value_at(swapped, "shaping") == []
    assert value_at(swapped, "filter") == "dynamic_sampling"


def test_verl_s_form_of_dr_grpo_is_a_preset_of_fixed_length() -> None:
    objective = composed("objective=dr_grpo", "objective/aggregation=seq_mean_token_sum_norm")
    assert not objective.aggregation.divide_by_rows


def test_dapo_punishes_in_proportion_to_its_rewards() -> None:
    factors = [
        composed("objective=dapo", *chosen).shaping["soft_overlong"].factor
        for chosen in ((), ("objective/shaping=[soft_overlong]",))
    ]
    assert factors == [0.5, 1.0]  # for rewards of 0 and 1, and of -1 and 1
    assert not composed("objective=dapo", "objective/masking=[]").masking  # the released script


def test_riskpo_has_the_quantiles_of_each_script() -> None:
    plain = composed("objective=riskpo").advantage
    shared = composed("objective=riskpo", "objective/advantage=riskpo_sum_mean").advantage
    assert (plain.beta, plain.credit, plain.natural_baseline) == (0.9, "std", True)
    assert (shared.beta, shared.credit, shared.natural_baseline) == (0.8, "sum_mean", False)


def test_sft_is_plain_cross_entropy_by_default() -> None:
    objective = composed("objective=sft")
    assert isinstance(objective, Supervised)
    assert value_at(objective, "token_loss") == "standard"
    assert (objective.denominator, objective.kl_coef, objective.anchor_coef) == (
        "global_tokens",
        0.0,
        0.0,
    )


def test_every_component_of_the_objective_says_what_it_is() -> None:
    known = schema.load()
    for group in known.components:
        if group.startswith("objective"):
            for name, info in known.choices(group).items():
                assert info.doc, f"{group}={name} has no docstring"
                for field in info.fields.values():
                    assert field.doc, f"{group}={name} {field.name} has no doc"


def test_presets_are_frozen() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        composed("objective=grpo").critic = None
