"""Models: made, saved, loaded, adapted, and refused with something to type."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, BertConfig, BertModel, LlamaConfig

from etude.build import build
from etude.errors import ConfigError, ModelError
from etude.model.lora import Lora
from etude.model.pretrained import Pretrained
from etude.model.scratch import Scratch

CPU = torch.device("cpu")
TINY = Scratch(hidden_size=32, layers=2, heads=2, kv_heads=1, intermediate_size=48)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A handed-on model."""
    path = tmp_path_factory.mktemp("model")
    TINY.create(3, CPU).save(path)
    return path


def weights(policy):
    return dict(policy.model.named_parameters())


def same(mine, theirs):
    return mine.keys() == theirs.keys() and all(
        torch.equal(mine[name], theirs[name]) for name in mine
    )


def test_weights_depend_on_the_seed_alone():
    torch.manual_seed(5)
    first = TINY.create(1, CPU)
    state = torch.get_rng_state()
    assert same(weights(first), weights(TINY.create(1, CPU)))
    assert not same(weights(first), weights(TINY.create(2, CPU)))
    assert torch.equal(state, torch.get_rng_state())


def test_a_saved_model_comes_back_to_the_bit(folder):
    assert same(weights(TINY.load(folder, CPU)), weights(TINY.create(3, CPU)))
    assert same(weights(Pretrained(path=str(folder)).create(9, CPU)), weights(TINY.create(3, CPU)))


def test_transformers_loads_and_generates_from_what_is_handed_on(folder):
    model = AutoModelForCausalLM.from_pretrained(folder)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    assert list(folder.glob("*.safetensors"))
    chat = [{"role": "user", "content": "1+1="}]
    inputs = tokenizer.apply_chat_template(chat, add_generation_prompt=True, return_tensors="pt")
    out = model.generate(**inputs, max_new_tokens=5, do_sample=False)
    assert out.shape[1] > inputs["input_ids"].shape[1]
    assert model.generation_config.eos_token_id == tokenizer.eos_token_id


def test_prompts_follow_the_chat_template_and_responses_end():
    policy = TINY.create(1, CPU)
    text = policy.tokenizer.decode(policy.encode_prompt("2+2", "Be brief."))
    assert text == "<|begin|><|system|>Be brief.<|user|>2+2<|assistant|>"
    response = policy.encode_response("4")
    assert response[-1] in policy.eos_ids
    assert policy.decode(response) == "4"
    assert policy.pad_id not in response


def test_without_a_chat_template_prompts_are_plain_and_never_empty():
    policy = TINY.create(1, CPU)
    policy.tokenizer.chat_template = None
    assert policy.decode(policy.encode_prompt("2+2")) == "2+2"
    assert len(policy.encode_prompt("")) == 1
    with pytest.raises(ModelError, match=r"no chat template.*model\.chat_template="):
        policy.encode_prompt("2+2", "Be brief.")


def test_a_template_that_refuses_a_system_prompt_says_so():
    policy = TINY.create(1, CPU)
    policy.tokenizer.chat_template = (
        "{% if messages[0]['role'] == 'system' %}{{ raise_exception('no system') }}{% endif %}"
        "{{ messages[0]['content'] }}"
    )
    assert policy.decode(policy.encode_prompt("2+2")) == "2+2"
    with pytest.raises(ModelError, match="system and user: no system"):
        policy.encode_prompt("2+2", "Be brief.")


def test_a_missing_pad_token_is_no_obstacle(folder, tmp_path):
    policy = TINY.load(folder, CPU)
    policy.tokenizer.pad_token = None
    assert policy.pad_id == policy.tokenizer.eos_token_id


def test_every_end_of_text_token_counts():
    policy = TINY.create(1, CPU)
    policy.causal_lm.generation_config.eos_token_id = [3, 9]
    assert policy.eos_ids == {3, 9}


def test_a_template_may_be_text_or_a_file(folder, tmp_path):
    file = tmp_path / "template.jinja"
    file.write_text("Q: {{ messages[-1]['content'] }}\nA:")
    for value in (str(file), file.read_text()):
        policy = Pretrained(path=str(folder), chat_template=value).create(1, CPU)
        assert policy.decode(policy.encode_prompt("7")) == "Q: 7\nA:"
    with pytest.raises(ModelError, match="neither a file nor a Jinja template"):
        Pretrained(path=str(folder), chat_template="nothing.jinja").create(1, CPU)


def test_variables_reach_the_chat_template(folder):
    template = "{{ messages[-1]['content'] }}{% if think %} (think){% endif %}"
    component = Pretrained(path=str(folder), chat_template=template, chat_options={"think": True})
    policy = component.create(1, CPU)
    assert policy.decode(policy.encode_prompt("7")) == "7 (think)"


@pytest.mark.parametrize("dtype", ["float64", "bfloat16"])
def test_dtypes_are_kept_through_the_folder(dtype, tmp_path):
    component = replace(TINY, dtype=dtype)
    policy = component.create(1, CPU)
    assert {p.dtype for p in policy.model.parameters()} == {getattr(torch, dtype)}
    policy.save(tmp_path)
    assert same(weights(component.load(tmp_path, CPU)), weights(policy))


def test_an_inference_copy_rounds_weights_but_not_positions():
    policy = TINY.create(1, CPU)
    policy.compute_dtype = torch.bfloat16
    twin = policy.inference_copy()
    assert {p.dtype for p in twin.model.parameters()} == {torch.bfloat16}
    assert {p.dtype for p in policy.model.parameters()} == {torch.float32}
    mine, theirs = (list(p.model.buffers()) for p in (policy, twin))
    assert mine and all(torch.equal(a, b) for a, b in zip(mine, theirs, strict=True))
    with torch.no_grad():
        policy.trainable_parameters()[0].add_(1.0)
    policy.copy_weights_to(twin)
    assert torch.equal(
        twin.model.get_input_embeddings().weight,
        policy.model.get_input_embeddings().weight.to(torch.bfloat16),
    )


def test_dropout_is_off(folder):
    component = Pretrained(path=str(folder))
    policy = component.create(1, CPU)
    for module in policy.model.modules():
        assert getattr(module, "p", 0.0) == 0.0
        assert getattr(module, "attention_dropout", 0.0) == 0.0


def test_gradient_checkpointing_changes_no_gradient(folder):
    gradients = []
    for checkpointing in (False, True):
        policy = Pretrained(path=str(folder), gradient_checkpointing=checkpointing).create(1, CPU)
        states = policy.states(input_ids=torch.arange(10).view(1, -1), use_cache=False)
        states.square().sum().backward()
        gradients.append([p.grad for p in policy.trainable_parameters()])
    assert all(torch.allclose(a, b) for a, b in zip(*gradients, strict=True))


def test_adapters_train_alone_and_are_merged_when_handed_on(folder, tmp_path):
    policy = Pretrained(path=str(folder), lora=Lora(rank=4)).create(1, CPU)
    assert all("lora_" in name for name, p in policy.model.named_parameters() if p.requires_grad)
    with torch.no_grad():
        for parameter in policy.trainable_parameters():
            parameter.normal_(std=0.1, generator=torch.Generator().manual_seed(0))
    frozen = {n: p.clone() for n, p in policy.model.named_parameters()}
    ids = torch.arange(4, 14).view(1, -1)
    with torch.no_grad():
        expected = policy.model(input_ids=ids).logits
    policy.save(tmp_path)
    assert all(torch.equal(frozen[n], p) for n, p in policy.model.named_parameters())
    merged = AutoModelForCausalLM.from_pretrained(tmp_path)
    assert torch.allclose(merged(input_ids=ids).logits, expected, atol=1e-4)
    twin = policy.inference_copy()
    with torch.no_grad():
        policy.trainable_parameters()[0].add_(1.0)
    policy.copy_weights_to(twin)
    with torch.no_grad():
        mine, theirs = policy.model(input_ids=ids).logits, twin.model(input_ids=ids).logits
    assert torch.allclose(mine, theirs, atol=1e-4)


def test_adapters_can_be_handed_on_alone(folder, tmp_path):
    component = Pretrained(
        path=str(folder), lora=Lora(rank=2, targets=["q_proj"], hand_on="adapter")
    )
    policy = component.create(1, CPU)
    with torch.no_grad():
        for parameter in policy.trainable_parameters():
            parameter.normal_(std=0.3, generator=torch.Generator().manual_seed(0))
    policy.save(tmp_path)
    assert not (tmp_path / "model.safetensors").exists()
    again = component.load(tmp_path, CPU)
    assert same(weights(again), weights(policy))
    assert len(again.trainable_parameters()) == len(policy.trainable_parameters()) > 0


def test_unknown_adapter_targets_name_the_layers_there_are(folder):
    component = Pretrained(path=str(folder), lora=Lora(targets=["qproj"]))
    with pytest.raises(ModelError, match=r"model\.lora\.targets.*q_proj"):
        component.create(1, CPU)


def test_what_cannot_be_loaded_says_what_to_type(folder, tmp_path, monkeypatch):
    def refused(path, text, **options):
        with pytest.raises(ModelError, match=text):
            Pretrained(path=str(path), **options).create(1, CPU)

    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    refused("", "model.path is empty")
    refused("./nothing", r"no model folder at nothing.*model\.path=")
    refused("no-one/no-such-model", "neither a folder here nor could it be fetched.*model=tiny")
    empty = tmp_path / "empty"
    empty.mkdir()
    refused(empty, "config.json is not there; there are no weights")
    BertModel(
        BertConfig(hidden_size=8, num_hidden_layers=1, num_attention_heads=1, intermediate_size=8)
    ).save_pretrained(tmp_path / "bert")
    (tmp_path / "bert" / "tokenizer.json").write_bytes((folder / "tokenizer.json").read_bytes())
    refused(tmp_path / "bert", "BertModel and not a causal language model")
    LlamaConfig(**json.loads((folder / "config.json").read_text())).save_pretrained(
        tmp_path / "bare"
    )
    refused(tmp_path / "bare", r"no weights \(model.safetensors\)")
    copy = tmp_path / "mixed"
    copy.mkdir()
    for file in Path(folder).iterdir():
        (copy / file.name).write_bytes(file.read_bytes())
    config = json.loads((copy / "config.json").read_text())
    (copy / "config.json").write_text(json.dumps(config | {"num_hidden_layers": 3}))
    refused(copy, "lacks .* of the weights")


def test_sizes_that_do_not_fit_are_refused():
    with pytest.raises(ConfigError, match=r"model\.hidden_size  is 33, which does not split"):
        build({"name": "scratch", "hidden_size": 33, "heads": 2}, "model")
    with pytest.raises(ConfigError, match=r"model\.kv_heads  is 3, which does not divide"):
        build({"name": "scratch", "heads": 4, "kv_heads": 3}, "model")
