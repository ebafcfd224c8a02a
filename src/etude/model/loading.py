"""From a folder or a hub name to a policy, with errors a person can act on."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import nn

from etude.errors import ModelError
from etude.model.lora import Lora, attach
from etude.model.policy import Policy, no_bars

_DTYPES = {
    "float32": torch.float32,
    "float64": torch.float64,
    "bfloat16": torch.bfloat16,
    "float16": torch.float16,
}
_CAUSAL = ("ForCausalLM", "LMHeadModel", "ForConditionalGeneration")


@dataclass(frozen=True)
class Settings:
    """How a model is held: dtype, attention, adapters, chat template (a component's options)."""

    dtype: str = "auto"
    revision: str | None = None
    attention: str | None = None
    gradient_checkpointing: bool = False
    compile: bool = False
    chat_template: str | None = None
    chat_options: Mapping[str, Any] = field(default_factory=dict)
    padding_side: str | None = None
    trust_remote_code: bool = False
    lora: Lora | None = None
    lora_seed: int = 0


def load_policy(path: str, device: torch.device, settings: Settings) -> Policy:
    """Return the causal LM at ``path`` (a folder or a hub name) on ``device``.

    Raises ModelError when there is nothing there, the hub cannot be reached, it is no causal LM,
    or weights are missing.
    """
    from transformers import AutoTokenizer

    folder = Path(path).expanduser()
    where = str(folder) if folder.is_dir() else path
    if folder.is_file() or (not folder.is_dir() and path.startswith((".", "/", "~"))):
        raise ModelError(
            f"there is no model folder at {folder}; model.path names a folder with config.json "
            "and weights, or a model on the hub (model.path=Qwen/Qwen3-0.6B)"
        )
    options = {"revision": settings.revision, "trust_remote_code": settings.trust_remote_code}
    adapter = folder if (folder / "adapter_config.json").is_file() else None
    if adapter is not None:
        model = _adapted(adapter, settings, options)
    else:
        model = _causal_lm(where, settings, options)
    try:
        tokenizer = AutoTokenizer.from_pretrained(where, **options)
    except (OSError, ValueError) as error:
        raise ModelError(
            f"the tokenizer of {where} cannot be loaded: {_first_line(error)}; a model folder also "
            "holds tokenizer.json (save it there with tokenizer.save_pretrained)"
        ) from error
    return policy_of(model, tokenizer, device, settings, adapted=adapter is not None)


def policy_of(
    model: Any, tokenizer: Any, device: torch.device, settings: Settings, *, adapted: bool = False
) -> Policy:
    """Return a policy of a transformers model and its tokenizer, prepared as ``settings`` say."""
    rows = model.get_input_embeddings().weight.shape[0]
    if len(tokenizer) > rows:
        raise ModelError(
            f"the tokenizer has {len(tokenizer)} tokens and the model embeds {rows}: they do "
            "not belong together; take both from one folder"
        )
    if settings.chat_template is not None:
        tokenizer.chat_template = read_template(settings.chat_template)
    if settings.padding_side is not None:
        tokenizer.padding_side = settings.padding_side
    _disable_dropout(model)
    if settings.lora is not None and not adapted:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(settings.lora_seed % 2**63)
            model = attach(model, settings.lora)
    model = model.to(device)
    compute = next(model.parameters()).dtype
    if settings.dtype == "auto" and device.type == "cuda":
        compute = torch.bfloat16
    policy = Policy(
        model,
        tokenizer,
        device,
        compute,
        settings.chat_options,
        "adapter" if settings.lora is not None and settings.lora.hand_on == "adapter" else "merged",
    )
    if settings.gradient_checkpointing:
        lm = policy.causal_lm
        enable = getattr(lm, "activation_checkpointing_enable", lm.gradient_checkpointing_enable)
        enable({"use_reentrant": False})
        if settings.lora is not None:
            lm.enable_input_require_grads()
    if settings.compile:
        policy.causal_lm.get_decoder().compile(dynamic=True)
    policy.model.train()
    return policy


def read_template(value: str) -> str:
    """Return a chat template given as text or as the path of a file that holds it."""
    if "{{" in value or "{%" in value:
        return value
    path = Path(value).expanduser()
    if not path.is_file():
        raise ModelError(
            f"model.chat_template={value} is neither a file nor a Jinja template "
            "(which has '{{' in it)"
        )
    return path.read_text(encoding="utf-8")


def _causal_lm(where: str, settings: Settings, options: dict[str, Any]) -> Any:
    from transformers import AutoConfig, AutoModelForCausalLM

    try:
        config = AutoConfig.from_pretrained(where, **options)
    except (OSError, ValueError) as error:
        raise ModelError(_not_found(where, error)) from error
    architectures = getattr(config, "architectures", None) or []
    if architectures and not any(name.endswith(_CAUSAL) for name in architectures):
        raise ModelError(
            f"{where} is {' and '.join(architectures)} and not a causal language model; "
            "model.path needs one that ends in ForCausalLM"
        )
    dtype = torch.float32 if settings.dtype == "auto" else _DTYPES[settings.dtype]
    extra = {} if settings.attention is None else {"attn_implementation": settings.attention}
    try:
        with no_bars() if Path(where).is_dir() else nullcontext():  # a download may show its own
            loaded: Any = AutoModelForCausalLM.from_pretrained(
                where, config=config, dtype=dtype, output_loading_info=True, **extra, **options
            )
    except ImportError as error:
        raise ModelError(
            f"{where} cannot be used with model.attention={settings.attention}: "
            f"{_first_line(error)}; model.attention=sdpa needs nothing more"
        ) from error
    except (OSError, ValueError) as error:
        raise ModelError(
            f"{where} cannot be loaded as a causal language model: {_first_line(error)}"
        ) from error
    model, report = loaded
    if report["missing_keys"]:
        missing = sorted(report["missing_keys"])
        raise ModelError(
            f"{where} lacks {len(missing)} of the weights its config.json asks for "
            f"({missing[0]}, …); the files are incomplete or belong to another model"
        )
    return model


def _adapted(folder: Path, settings: Settings, options: dict[str, Any]) -> nn.Module:
    """Return the model an adapter folder names, the adapter trainable with lora, else merged."""
    try:
        from peft import PeftConfig, PeftModel
    except ImportError as error:
        raise ModelError(
            f"{folder} holds adapters, which need the package peft: pip install 'etude[lora]'"
        ) from error
    base = PeftConfig.from_pretrained(str(folder)).base_model_name_or_path
    if not base:
        raise ModelError(
            f"{folder} holds adapters and does not say of which model; train with "
            "model.lora.hand_on=merged to hand on a whole one"
        )
    model = PeftModel.from_pretrained(
        _causal_lm(base, settings, options), str(folder), is_trainable=settings.lora is not None
    )
    return model if settings.lora is not None else model.merge_and_unload()


def _disable_dropout(model: nn.Module) -> None:
    """Switch dropout off: log-probs of one set of weights must be one set of numbers."""
    for module in model.modules():
        if isinstance(module, nn.Dropout):
            module.p = 0.0
        if isinstance(getattr(module, "attention_dropout", None), float):
            module.attention_dropout = 0.0  # type: ignore[assignment]


def _not_found(where: str, error: Exception) -> str:
    if Path(where).is_dir():
        return f"{where} is no model folder that transformers can read: {_first_line(error)}"
    return (
        f"the model {where} is neither a folder here nor could it be fetched from the hub: "
        f"{_first_line(error)}. Without a network give a local copy (model.path=FOLDER), or one "
        "that was fetched before (HF_HOME=FOLDER HF_HUB_OFFLINE=1); model=tiny needs no download"
    )


def _first_line(error: Exception) -> str:
    return str(error).strip().split("\n")[0].rstrip(".")
