"""What adapters came to is what samples, is evaluated and is handed on, for every target."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM, GPT2Config

from etude.errors import ModelError
from etude.model.loading import Settings, policy_of
from etude.model.lora import Lora
from etude.model.policy import Policy
from etude.model.pretrained import Pretrained
from etude.model.scratch import Scratch

peft = pytest.importorskip("peft", reason="adapters need the package peft")

CPU = torch.device("cpu")
IDS = torch.arange(16, 40).view(1, -1)
TARGETS = {
    "llama": ("", "q_proj", "lm_head", "embed_tokens", "embed_tokens lm_head", "q_proj lm_head"),
    "gpt2": ("", "wte", "lm_head", "c_attn", "wte c_attn"),
}
CASES = [(kind, targets, tied) for kind in TARGETS for targets in TARGETS[kind] for tied in (0, 1)]


@pytest.fixture(scope="module")
def bases(tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[str, int], Path]:
    """Model folders, as downloaded ones would be, with one matrix or two for tokens."""
    found = {}
    for tied in (0, 1):
        llama = Scratch(
            hidden_size=32,
            layers=2,
            heads=2,
            kv_heads=1,
            intermediate_size=48,
            tie_embeddings=bool(tied),
            initializer_range=0.3,
        ).create(3, CPU)
        sizes = GPT2Config(
            n_embd=32,
            n_layer=2,
            n_head=2,
            n_positions=128,
            vocab_size=104,
            initializer_range=0.3,
            tie_word_embeddings=bool(tied),
            bos_token_id=2,
            eos_token_id=3,
        )
        torch.manual_seed(0)
        model = AutoModelForCausalLM.from_config(sizes)
        gpt2 = policy_of(model, llama.tokenizer, CPU, Settings())
        for kind, policy in (("llama", llama), ("gpt2", gpt2)):
            found[kind, tied] = tmp_path_factory.mktemp(kind)
            policy.save(found[kind, tied])
    return found


def logits(model: torch.nn.Module) -> torch.Tensor:
    with torch.no_grad():
        return model.eval()(input_ids=IDS).logits


def close(mine: torch.Tensor, trained: torch.Tensor) -> bool:
    return torch.allclose(mine, trained, atol=2e-4)


def moved(policy: Policy) -> torch.Tensor:
    """Move what is trained, far, and return the logits of what came of it."""
    generator = torch.Generator().manual_seed(0)
    before = logits(policy.model)
    with torch.no_grad():
        for parameter in policy.trainable_parameters():
            parameter.add_(0.2 * torch.randn(parameter.shape, generator=generator))
    after = logits(policy.model)
    assert (after - before).abs().max() > 0.1, "nothing was trained"
    return after


@pytest.mark.parametrize(("kind", "targets", "tied"), CASES)
def test_every_copy_of_a_trained_model_is_the_trained_model(
    kind: str, targets: str, tied: int, bases: dict[tuple[str, int], Path], tmp_path: Path
) -> None:
    base = bases[kind, tied]
    adapters = Lora(rank=4, targets=targets.split())
    component = Pretrained(path=str(base), lora=adapters)
    policy = component.create(1, CPU)
    sampler = policy.inference_copy()
    trained = moved(policy)

    policy.copy_weights_to(sampler)
    assert close(logits(sampler.model), trained), "the sampler after a sync"
    assert close(logits(policy.inference_copy().model), trained), "a new copy"

    policy.save(tmp_path / "merged")
    merged = AutoModelForCausalLM.from_pretrained(tmp_path / "merged")
    assert close(logits(merged), trained), "the merged model, read by transformers"
    again = Pretrained().load(tmp_path / "merged", CPU)
    assert close(logits(again.model), trained), "the merged model, read by the next stage"

    policy.hand_on = "adapter"
    policy.save(tmp_path / "adapter")
    whole = AutoModelForCausalLM.from_pretrained(base)
    adapted = peft.PeftModel.from_pretrained(whole, tmp_path / "adapter")
    assert close(logits(adapted), trained), "the adapters, read by peft"
    goes_on = component.load(tmp_path / "adapter", CPU)
    assert close(logits(goes_on.model), trained), "the adapters, trained on"
    assert len(goes_on.trainable_parameters()) == len(policy.trainable_parameters())
    merged_later = Pretrained().load(tmp_path / "adapter", CPU)
    assert close(logits(merged_later.model), trained), "the adapters, merged by the next stage"


@pytest.mark.parametrize("tied", [0, 1])
@pytest.mark.parametrize(
    "options",
    [
        {"use_dora": True},
        {"modules_to_save": ["lm_head"]},
        {"modules_to_save": ["embed_tokens"]},
        {"bias": "all"},
        {"trainable_token_indices": [20, 21]},
    ],
    ids=lambda options: next(iter(options)),
)
def test_adapters_of_other_kinds_are_sampled_from_as_trained(
    options: dict[str, object], tied: int, bases: dict[tuple[str, int], Path], tmp_path: Path
) -> None:
    """A folder that peft wrote may hold more than low-rank sums."""
    base = bases["llama", tied]
    model = AutoModelForCausalLM.from_pretrained(base)
    config = peft.LoraConfig(r=4, target_modules=["q_proj"], task_type="CAUSAL_LM", **options)
    peft.get_peft_model(model, config).save_pretrained(tmp_path / "adapter")
    Pretrained().load(base, CPU).tokenizer.save_pretrained(tmp_path / "adapter")
    policy = Pretrained(lora=Lora()).load(tmp_path / "adapter", CPU)
    sampler = policy.inference_copy()
    trained = moved(policy)
    policy.copy_weights_to(sampler)
    assert close(logits(sampler.model), trained)
    policy.save(tmp_path / "merged")
    assert close(logits(AutoModelForCausalLM.from_pretrained(tmp_path / "merged")), trained)


def test_adapters_that_no_model_can_take_up_are_refused(
    bases: dict[tuple[str, int], Path], tmp_path: Path
) -> None:
    base = bases["llama", 0]
    model = AutoModelForCausalLM.from_pretrained(base)
    config = peft.LoraConfig(target_modules=["q_proj"], task_type="CAUSAL_LM", lora_bias=True)
    peft.get_peft_model(model, config).save_pretrained(tmp_path)
    Pretrained().load(base, CPU).tokenizer.save_pretrained(tmp_path)
    with pytest.raises(ModelError, match="lora_bias"):
        Pretrained(lora=Lora()).load(tmp_path, CPU)
