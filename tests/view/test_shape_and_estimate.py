"""Sizes and needs told before a run agree with the real models and follow the config."""

import dataclasses
import json
import math

import pytest

from etude.errors import ModelError
from etude.plan.estimate import estimate, parameters_of, shape_of
from etude.plan.shape import FAMILIES, shape_of_config, shape_of_folder, size_in_name
from etude.schema import Schema, load

NOTHING = Schema({}, {}, learners=load().learners)
SMALL = {
    "vocab_size": 101,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 8,
    "max_position_embeddings": 40,
    "pad_token_id": 0,
    "bos_token_id": 1,
    "eos_token_id": 2,
}
OWN_NAMES = {
    "gpt2": {"n_embd": 32, "n_layer": 3, "n_head": 4, "n_positions": 40, "n_inner": None},
    "opt": {"ffn_dim": 48, "word_embed_proj_dim": 32},
    "qwen3_moe": {"num_experts": 4, "moe_intermediate_size": 16, "head_dim": 16},
    "mixtral": {"num_local_experts": 3},
    "qwen3": {"head_dim": 16},
    "gemma3_text": {"head_dim": 12},
}
#: What these families' configs do not have.
NOT_THEIRS = {
    "gpt2": ("num_key_value_heads", "head_dim", "intermediate_size"),
    "gpt_neox": ("num_key_value_heads", "head_dim"),
    "opt": ("num_key_value_heads", "head_dim", "intermediate_size"),
}
#: A family whose config class only wraps another's, or that the same class serves.
SAME_AS = {"gemma3": "gemma3_text"}


def small(kind):
    kept = {key: value for key, value in SMALL.items() if key not in NOT_THEIRS.get(kind, ())}
    return {**kept, **OWN_NAMES.get(kind, {})}


def real_parameters(config):
    import torch
    from transformers import AutoModelForCausalLM

    with torch.device("meta"):
        model = AutoModelForCausalLM.from_config(config)
    return sum(parameter.numel() for parameter in model.parameters())


@pytest.mark.parametrize("kind", [kind for kind in FAMILIES if kind not in SAME_AS])
@pytest.mark.parametrize("tied", [True, False])
def test_parameters_of_a_config_are_those_of_the_model(kind, tied):
    from transformers import AutoConfig

    config = AutoConfig.for_model(kind, **small(kind), tie_word_embeddings=tied)
    shape = shape_of_config(json.loads(config.to_json_string(use_diff=False)), "here")
    assert shape.parameters == real_parameters(config)
    assert shape.exact


@pytest.mark.parametrize("kind", [kind for kind in FAMILIES if kind not in SAME_AS])
def test_parameters_are_right_from_what_config_json_leaves_out(kind, tmp_path):
    from transformers import AutoConfig

    config = AutoConfig.for_model(kind, **small(kind))
    config.save_pretrained(tmp_path)
    assert shape_of_folder(tmp_path).parameters == real_parameters(config)


@pytest.mark.parametrize(
    "changed", [{}, {"tokenizer": "bytes"}, {"tie_embeddings": False, "kv_heads": 4, "layers": 2}]
)
def test_scratch_models_have_the_size_that_is_told(changed):
    import torch

    from etude.model.scratch import Scratch

    fields = {"hidden_size": 32, "intermediate_size": 48, "layers": 1, **changed}
    component = Scratch(**fields)
    policy = component.create(1, torch.device("cpu"))
    told, origin = parameters_of({"name": "scratch", **dataclasses.asdict(component)})
    assert told == sum(parameter.numel() for parameter in policy.model.parameters())
    assert origin == "the config"


def test_a_stored_model_is_counted_in_its_files(tmp_path):
    import torch
    from safetensors.torch import save_file

    config = {**SMALL, "model_type": "something_new"}
    (tmp_path / "config.json").write_text(json.dumps(config))
    assert not shape_of_folder(tmp_path).exact
    save_file({"a": torch.zeros(3, 5), "b": torch.zeros(7)}, tmp_path / "model.safetensors")
    assert shape_of_folder(tmp_path).parameters == 22
    assert shape_of({"name": "pretrained", "path": str(tmp_path)}).parameters == 22
    (tmp_path / "model.safetensors").write_bytes(b"12")
    with pytest.raises(ModelError, match=r"model\.safetensors"):
        shape_of_folder(tmp_path)


def test_a_config_without_sizes_is_named(tmp_path):
    with pytest.raises(ModelError, match="hidden_size or n_embd"):
        shape_of_config({"vocab_size": 10}, "its config.json")
    with pytest.raises(ModelError, match=r"config\.json cannot be read"):
        shape_of_folder(tmp_path)


BROKEN_CONFIGS = {
    "torn": '{"hidden_size": 6',
    "empty": "",
    "a list": "[1, 2]",
    "a number": "7",
    "no head count": '{"hidden_size": 64, "num_hidden_layers": 2, "vocab_size": 100}',
    "no heads at all": json.dumps({**SMALL, "num_attention_heads": 0}),
    "text for a size": json.dumps({**SMALL, "hidden_size": "64"}),
    "text_config is text": '{"text_config": "see above"}',
    "deep": "[" * 100_000,
    "no text": "\udcff\udcfe",
}


@pytest.mark.parametrize("text", BROKEN_CONFIGS.values(), ids=BROKEN_CONFIGS)
def test_a_config_that_says_nothing_leaves_an_estimate_that_says_why(tmp_path, text):
    import torch
    from safetensors.torch import save_file

    from etude import schema

    (tmp_path / "config.json").write_bytes(text.encode("utf-8", "surrogateescape"))
    node = {"name": "pretrained", "path": str(tmp_path)}
    assert shape_of(node) is None
    total, why = parameters_of(node)
    assert total is None and str(tmp_path) in why
    config = {"model": node, "training": {"steps": 3}, "objective": {"name": "sft"}}
    line = estimate(config, "supervised", tmp_path, schema.load()).line()
    assert line.startswith("memory and time unknown: ") and "config.json" in line
    # Files that can be counted are.
    save_file({"a": torch.zeros(3, 5)}, tmp_path / "model.safetensors")
    assert parameters_of(node) == (15, str(tmp_path))
    assert "weights" in estimate(config, "supervised", tmp_path, schema.load()).line()


@pytest.mark.parametrize(
    "header",
    ["[]", '{"a": 1}', '{"a": {"shape": "x"}}', '{"a": {}}', "{", '{"a": {"shape": [{}]}}'],
)
def test_a_header_that_is_none_is_named(tmp_path, header):
    (tmp_path / "config.json").write_text(json.dumps({**SMALL, "model_type": "llama"}))
    data = len(header).to_bytes(8, "little") + header.encode()
    (tmp_path / "model.safetensors").write_bytes(data)
    if header == "[]":  # no tensor at all
        assert shape_of_folder(tmp_path).origin.endswith("config.json")
        return
    with pytest.raises(ModelError, match=r"model\.safetensors is no whole safetensors file"):
        shape_of_folder(tmp_path)


@pytest.mark.parametrize(
    ("name", "size"),
    [
        ("Qwen/Qwen3-0.6B", 600_000_000),
        ("org/thing-7b-instruct", 7_000_000_000),
        ("HuggingFaceTB/SmolLM2-135M", 135_000_000),
        ("org/no-size", None),
        ("org/v2.5B3", None),
    ],
)
def test_a_hub_name_tells_its_size(name, size):
    assert size_in_name(name) == size


def a_config(**changed):
    config = {
        "model": {
            "name": "scratch",
            "hidden_size": 64,
            "layers": 2,
            "heads": 4,
            "kv_heads": 2,
            "intermediate_size": 128,
            "tokenizer": "characters",
            "tie_embeddings": True,
        },
        "objective": {"name": "grpo"},
        "training": {
            "steps": 10,
            "rows_per_step": 16,
            "prompts_per_step": 4,
            "rollouts_per_prompt": 4,
            "max_length": 128,
        },
        "rollout": {"name": "transformers", "max_new_tokens": 32, "token_budget": 100000},
        "execution": {"device": "cpu", "threads": 1, "micro_batch_tokens": 256, "keep": 2},
    }
    for key, value in changed.items():
        group, _, field = key.partition("__")
        config[group] = {**config.get(group, {}), field: value}
    return config


def needs(tmp_path, learner="policy_gradient", **changed):
    return estimate(a_config(**changed), learner, tmp_path, NOTHING)


def test_memory_follows_what_holds_it(tmp_path):
    usual = needs(tmp_path)
    assert usual.memory.weights == 4 * usual.parameters
    assert usual.memory.optimizer == 8 * usual.parameters
    smaller = needs(tmp_path, execution__micro_batch_tokens=128)
    assert smaller.memory.activations == usual.memory.activations / 2
    assert smaller.memory.logits == usual.memory.logits / 2
    lighter = needs(tmp_path, model__gradient_checkpointing=True)
    assert lighter.memory.activations < usual.memory.activations
    capped = needs(tmp_path, rollout__token_budget=100)
    assert capped.memory.cache == 100 * 2 * 2 * 32 * 4  # keys and values, layers, width, bytes
    assert needs(tmp_path, "supervised").memory.cache == 0


def test_a_reference_model_counts_where_a_part_asks_for_it(tmp_path):
    def with_kl(coef):
        config = a_config(models__reference={"load": "start", "model": None})
        kl = {"kl": {"name": "kl", "coef": coef}}
        config["objective"] = {"name": "policy_gradient", "regularizer": kl}
        return estimate(config, "policy_gradient", tmp_path, load())

    without, held = with_kl(0.0), with_kl(0.01)
    assert held.memory.weights == 2 * without.memory.weights
    assert held.seconds > without.seconds


def test_adapters_need_less(tmp_path):
    usual, adapted = needs(tmp_path), needs(tmp_path, model__lora={"rank": 2})
    assert adapted.memory.weights == usual.memory.weights
    assert 0 < adapted.memory.optimizer < usual.memory.optimizer
    assert adapted.disk < usual.disk


def test_adapters_are_counted_as_peft_counts_them():
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import LlamaConfig, LlamaForCausalLM

    from etude.plan.estimate import _trained_parameters

    config = LlamaConfig(**{**SMALL, "num_hidden_layers": 2})
    with torch.device("meta"):
        model = get_peft_model(
            LlamaForCausalLM(config), LoraConfig(r=3, target_modules="all-linear")
        )
    trained = sum(p.numel() for p in model.parameters() if p.requires_grad)
    shape = shape_of_config({**config.to_dict()}, "here")
    assert _trained_parameters({"lora": {"rank": 3}}, shape, shape.parameters) == trained


def test_disk_follows_what_is_kept(tmp_path):
    few, many = needs(tmp_path, execution__keep=1), needs(tmp_path, execution__keep=3)
    assert many.disk - few.disk == 2 * 12 * few.parameters


def test_time_is_that_of_an_earlier_stage_of_the_same_kind(tmp_path):
    guessed = needs(tmp_path)
    assert "no earlier stage" in guessed.rate_from
    earlier = a_config(training__steps=50)
    folder = tmp_path / "stages" / "rl-1234"
    (folder / "attempts" / "1").mkdir(parents=True)
    (folder / "config.yaml").write_text(json.dumps(earlier))
    seconds = [9.0, 0.5, 0.7, 0.5, 0.5]  # the first step warms up
    lines = "".join(json.dumps({"step": n, "seconds": s}) + "\n" for n, s in enumerate(seconds))
    (folder / "attempts" / "1" / "timing.jsonl").write_text(lines + '{"step": 5, "sec')
    measured = needs(tmp_path)
    assert math.isclose(measured.seconds, 10 * 0.5)
    assert "rl-1234" in measured.rate_from
    # Twice the prompts are twice the work.
    assert math.isclose(needs(tmp_path, training__prompts_per_step=8).seconds, 10 * 1.0)
    other = needs(tmp_path, objective__name="dapo")
    assert "no earlier stage" in other.rate_from


def test_an_absent_model_is_said_to_be_unknown_or_sized_by_its_name(tmp_path, monkeypatch):
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    absent = {**a_config(), "model": {"name": "pretrained", "path": "org/no-size"}}
    assert "unknown" in estimate(absent, "supervised", tmp_path, NOTHING).line()
    named = {**a_config(), "model": {"name": "pretrained", "path": "org/some-1B"}}
    assert estimate(named, "supervised", tmp_path, NOTHING).memory.weights == 4e9
    snapshot = tmp_path / "models--org--some-1B" / "snapshots" / "abc"
    snapshot.mkdir(parents=True)
    (snapshot / "config.json").write_text(json.dumps({**SMALL, "model_type": "llama"}))
    assert estimate(named, "supervised", tmp_path, NOTHING).parameters < 100_000


def held_to(*roles: str, **nodes):
    """Return the config of a stage that is held to some roles; ``nodes`` are their own."""
    kl = {f"kl_{role}": {"name": "kl", "coef": 0.1, "role": role} for role in roles}
    config = a_config()
    models = {role: {"load": "start", "model": None, **nodes.get(role, {})} for role in roles}
    return {
        **config,
        "objective": {"name": "policy_gradient", "regularizer": kl},
        "models": {"name": "default", **models},
    }


def test_frozen_roles_of_the_same_weights_are_counted_once(tmp_path):
    schema = load()
    one = estimate(held_to("reference"), "policy_gradient", tmp_path, schema)
    two = estimate(held_to("judge", "reference"), "policy_gradient", tmp_path, schema)
    assert two.memory.weights == one.memory.weights
    assert "judge and reference" in two.line()
    base = held_to("judge", "reference", judge={"load": "base"})
    apart = estimate(base, "policy_gradient", tmp_path, schema)
    assert apart.memory.weights > two.memory.weights
    assert apart.seconds > two.seconds


def test_a_role_counts_by_the_size_of_its_own_component(tmp_path):
    schema = load()
    wide = {**a_config()["model"], "hidden_size": 256}
    own = held_to("reference", "judge", judge={"model": wide})
    found = estimate(own, "policy_gradient", tmp_path, schema).memory.others
    assert found["judge"] > 4 * found["reference"]


def test_a_trained_role_has_gradients_an_optimizer_and_a_place_on_disk(tmp_path):
    schema = load()
    config = a_config()
    critic = {"name": "value", "share": "own", "role": "critic"}
    config["models"] = {"name": "default", "critic": {"load": "start", "model": None}}
    plain = estimate(config, "policy_gradient", tmp_path, schema)
    config["objective"] = {"name": "policy_gradient", "critic": critic}
    own = estimate(config, "policy_gradient", tmp_path, schema)
    assert own.memory.optimizer == 2 * plain.memory.optimizer
    assert own.memory.gradients == 2 * plain.memory.gradients
    assert own.disk > 1.9 * plain.disk
    config["objective"] = {"name": "policy_gradient", "critic": {**critic, "share": "head"}}
    head = estimate(config, "policy_gradient", tmp_path, schema)
    assert head.memory.optimizer == plain.memory.optimizer
    assert head.memory.weights == plain.memory.weights
