"""Any causal language model that transformers can load, by local path or hub name."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from etude.component import Rule, component, option
from etude.errors import ModelError
from etude.model.lora import Lora
from etude.randomness import seed_of

if TYPE_CHECKING:
    import torch

    from etude.model.loading import Settings
    from etude.model.policy import Policy


@component()
@dataclass(frozen=True)
class Pretrained:
    """A causal language model from a local folder or the Hugging Face hub."""

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "attention not in ('flash_attention_2', 'flash_attention_3')"
            " or dtype not in ('float32', 'float64')",
            "is {dtype}, and {attention} computes in bfloat16 or float16 alone: {path}.dtype=auto, "
            "or {path}.attention=sdpa",
            key="dtype",
        ),
    )

    path: str = option("", "folder of a model, or its name on the hub (Qwen/Qwen3-0.6B)")
    revision: str | None = option(None, "branch, tag or commit on the hub; null: the newest")
    dtype: Literal["auto", "float32", "bfloat16", "float16", "float64"] = option(
        "auto",
        "dtype of parameters and compute; auto: float32, on a GPU with compute in bfloat16",
    )
    attention: (
        Literal["sdpa", "eager", "flash_attention_2", "flash_attention_3", "flex_attention"] | None
    ) = option(
        None, "attention implementation; null: the best one the model supports without extras"
    )
    gradient_checkpointing: bool = option(
        False,
        "recompute activations in the backward pass: less memory, more time",
        kind="execution",
    )
    compile: bool = option(
        False,
        "compile the decoder with torch.compile: slower start, faster steps",
        kind="execution",
    )
    chat_template: str | None = option(
        None, "chat template in Jinja, or the path of a file with one; null: the tokenizer's own"
    )
    chat_options: dict[str, Any] = option(
        {}, "variables handed to the chat template, such as {enable_thinking: false}"
    )
    control_tokens_in_text: bool = option(
        False,
        "read control tokens that prompts and responses spell (<|im_end|>) as such; false: as text",
    )
    padding_side: Literal["left", "right"] | None = option(
        None, "padding side written into the tokenizer that is handed on; null: as it is"
    )
    trust_remote_code: bool = option(False, "run Python code that comes with the model")
    lora: Lora | None = option(
        None, "low-rank adapters (rank, alpha, …); null: every weight is trained"
    )

    def create(self, seed: int, device: torch.device) -> Policy:
        """Return the model at ``path`` on ``device``; ``seed`` initialises fresh adapters.

        Raises ModelError when it cannot be loaded.
        """
        if not self.path:
            raise ModelError(
                "model.path is empty; name a folder or a model on the hub "
                "(model.path=Qwen/Qwen3-0.6B)"
            )
        from etude.model.loading import load_policy

        return load_policy(self.path, device, self._settings(self.revision, seed))

    def load(self, folder: Path, device: torch.device) -> Policy:
        """Return the model a stage wrote in ``folder``, held as this component's options say.

        Fresh adapters, where ``lora`` is set and the folder holds a merged model, do not depend on
        the run's seed. Raises ModelError when it cannot be loaded.
        """
        from etude.model.loading import load_policy

        return load_policy(str(folder), device, self._settings(None, 0))

    def _settings(self, revision: str | None, seed: int) -> Settings:
        from etude.model.loading import Settings

        return Settings(
            dtype=self.dtype,
            revision=revision,
            attention=self.attention,
            gradient_checkpointing=self.gradient_checkpointing,
            compile=self.compile,
            chat_template=self.chat_template,
            chat_options=self.chat_options,
            control_tokens_in_text=self.control_tokens_in_text,
            padding_side=self.padding_side,
            trust_remote_code=self.trust_remote_code,
            lora=self.lora,
            lora_seed=seed_of("lora", seed),
        )
