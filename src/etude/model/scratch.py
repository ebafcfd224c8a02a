"""A small Llama-like model and a tokenizer, both made in code: nothing is downloaded."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Literal

from etude.component import Rule, component, option
from etude.randomness import seed_of

if TYPE_CHECKING:
    import torch

    from etude.model.loading import Settings
    from etude.model.policy import Policy


@component(source="arXiv 2302.13971 (architecture)")
@dataclass(frozen=True)
class Scratch:
    """A small Llama-like model with random weights and a character or byte tokenizer."""

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "hidden_size % (2 * heads) == 0",
            "is {hidden_size}, which does not split into {path}.heads={heads} heads of even width.",
        ),
        Rule(
            "heads % kv_heads == 0",
            "is {kv_heads}, which does not divide {path}.heads={heads}.",
            key="kv_heads",
        ),
    )

    hidden_size: int = option(128, "width of the residual stream", ge=8, le=1_000_000)
    layers: int = option(4, "decoder layers", ge=1, le=10_000)
    heads: int = option(4, "attention heads; hidden_size ÷ heads is even", ge=1, le=10_000)
    kv_heads: int = option(
        1,
        "key and value heads, shared by groups of attention heads; divides heads",
        ge=1,
        le=10_000,
    )
    intermediate_size: int = option(384, "width of the feed-forward layer", ge=8, le=10_000_000)
    max_position_embeddings: int = option(
        2048, "longest sequence, prompt and response", ge=16, le=100_000_000
    )
    tokenizer: Literal["characters", "bytes"] = option(
        "characters",
        "characters: printable ASCII, newline and tab, the rest unknown; bytes: any UTF-8 text",
    )
    tie_embeddings: bool = option(True, "use the embedding as the output matrix too")
    initializer_range: float | None = option(
        None, "standard deviation of the random weights; null: 1 ÷ √hidden_size", gt=0, le=1000
    )
    dtype: Literal["float32", "float64", "bfloat16"] = option(
        "float32", "dtype of parameters; on a GPU float32 parameters compute in bfloat16"
    )
    compile: bool = option(
        False,
        "compile the decoder with torch.compile: slower start, faster steps",
        kind="execution",
    )
    gradient_checkpointing: bool = option(
        False,
        "recompute activations in the backward pass: less memory, more time",
        kind="execution",
    )

    def create(self, seed: int, device: torch.device) -> Policy:
        """Return a new model whose weights depend on ``seed`` alone, on ``device``."""
        import torch
        from transformers import GenerationConfig, LlamaConfig, LlamaForCausalLM

        from etude.model.loading import policy_of
        from etude.model.policy import cast
        from etude.model.tokenizer import make_tokenizer

        tokenizer = make_tokenizer(self.tokenizer, self.max_position_embeddings)
        tokens = {
            "bos_token_id": tokenizer.bos_token_id,
            "eos_token_id": tokenizer.eos_token_id,
            "pad_token_id": tokenizer.pad_token_id,
        }
        config = LlamaConfig(
            hidden_size=self.hidden_size,
            num_hidden_layers=self.layers,
            num_attention_heads=self.heads,
            num_key_value_heads=self.kv_heads,
            intermediate_size=self.intermediate_size,
            max_position_embeddings=self.max_position_embeddings,
            vocab_size=len(tokenizer),
            tie_word_embeddings=self.tie_embeddings,
            initializer_range=self.initializer_range or self.hidden_size**-0.5,
            **tokens,
        )
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed_of("model", seed) % 2**63)
            model = cast(LlamaForCausalLM(config), getattr(torch, self.dtype))
        model.generation_config = GenerationConfig(**tokens)
        return policy_of(model, tokenizer, device, self._settings())

    def load(self, folder: Path, device: torch.device) -> Policy:
        """Return the model a stage wrote in ``folder``, on ``device``; may raise ModelError."""
        from etude.model.loading import load_policy

        return load_policy(str(folder), device, self._settings())

    def _settings(self) -> Settings:
        from etude.model.loading import Settings

        return Settings(
            dtype="auto" if self.dtype == "float32" else self.dtype,
            compile=self.compile,
            gradient_checkpointing=self.gradient_checkpointing,
        )
