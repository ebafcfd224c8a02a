"""From a folder or a hub name to a policy, with errors a person can act on."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import nn

from etude.distributed.world import current
from etude.errors import ModelError
from etude.execute.watchdog import progress
from etude.model.folder import ADAPTER, check_folder
from etude.model.hub import place_of
from etude.model.lora import Lora, attach, unmergeable, untied
from etude.model.policy import Policy, no_bars
from etude.model.weights import refuse_infinite, refuse_other
from etude.plan.published import check_published

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
    control_tokens_in_text: bool = False
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

    where, only_here = place_of(path, settings.revision)
    folder = Path(where)
    weights: Mapping[str, str] = checked(folder, settings) if folder.is_dir() else {}
    options = {
        "revision": settings.revision,
        "trust_remote_code": settings.trust_remote_code,
        "local_files_only": only_here,
    }
    adapter = folder if (folder / ADAPTER).is_file() else None
    if adapter is not None:
        model = _adapted(adapter, settings, options)
    else:
        model = _causal_lm(where, settings, options)
    refuse_infinite(model, where, weights)
    try:
        with _quiet():
            tokenizer = AutoTokenizer.from_pretrained(where, **options)
    except Exception as error:  # the tokenizers library raises Exception itself
        raise ModelError(
            _needs_code(where, error)
            or f"the tokenizer of {where} cannot be loaded: {_first_line(error)}; a model folder "
            "also holds tokenizer.json (save it there with tokenizer.save_pretrained)"
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
        settings.control_tokens_in_text,
    )
    policy.wording.check(rows)
    _ends_as_taught(policy)
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


def _ends_as_taught(policy: Policy) -> None:
    """Have the generation config that is handed on name the token that ends a turn, too."""
    generation = policy.causal_lm.generation_config
    if generation is not None and policy.wording.end not in policy.named_ends():
        generation.eos_token_id = sorted(policy.eos_ids)


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


def checked(folder: Path, settings: Settings) -> dict[str, str]:
    """Return tensor → file of a local model's weights, the folder looked at before it is loaded.

    What a stage published has its hashes checked, by one rank. Raises CheckpointError and
    ModelError naming the file.
    """
    if current().is_main:
        check_published(folder, progress)
    return check_folder(folder, custom_code=settings.trust_remote_code)


def _causal_lm(where: str, settings: Settings, options: dict[str, Any]) -> Any:
    from transformers import AutoConfig, AutoModelForCausalLM

    local = Path(where).is_dir()
    try:
        with _quiet():
            config = AutoConfig.from_pretrained(where, **options)
    except Exception as error:  # a config's own checks raise anything
        raise ModelError(_needs_code(where, error) or _not_found(where, error)) from error
    architectures = getattr(config, "architectures", None) or []
    if architectures and not any(name.endswith(_CAUSAL) for name in architectures):
        raise ModelError(
            f"{where} is {' and '.join(architectures)} and not a causal language model; "
            "model.path needs one that ends in ForCausalLM"
        )
    dtype = torch.float32 if settings.dtype == "auto" else _DTYPES[settings.dtype]
    extra = {} if settings.attention is None else {"attn_implementation": settings.attention}
    try:
        # A download may show its own bar; what is wrong with weights is told below.
        with no_bars() if local else nullcontext(), _quiet():
            loaded: Any = AutoModelForCausalLM.from_pretrained(
                where,
                config=config,
                dtype=dtype,
                output_loading_info=True,
                ignore_mismatched_sizes=True,
                use_safetensors=True,
                **extra,
                **options,
            )
    except ImportError as error:
        if settings.attention is None:
            raise ModelError(f"{where} needs a package: {_first_line(error)}") from error
        raise ModelError(
            f"{where} cannot be used with model.attention={settings.attention}: "
            f"{_first_line(error)}; model.attention=sdpa needs nothing more"
        ) from error
    except Exception as error:  # a model's constructor raises anything for a config it cannot be of
        raise ModelError(
            _needs_code(where, error)
            or f"{where} cannot be loaded as a causal language model: {_first_line(error)}"
        ) from error
    model, report = loaded
    refuse_other(model, report, where)
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
    where, only_here = place_of(base)
    if Path(where).is_dir():
        checked(Path(where), settings)
    with warnings.catch_warnings():
        # What it warns of is put right.
        warnings.filterwarnings("ignore", message=".*tie_word_embeddings=True.*")
        model: Any = untied(
            PeftModel.from_pretrained(
                _causal_lm(where, settings, {**options, "local_files_only": only_here}),
                str(folder),
                is_trainable=settings.lora is not None,
            )
        )
    if unmergeable(model):
        raise ModelError(
            f"{folder} holds adapters with a bias (lora_bias) on layers that have none, so they "
            "cannot be merged, and nothing could sample from them; train them without lora_bias"
        )
    return model if settings.lora is not None else model.merge_and_unload()


def _disable_dropout(model: nn.Module) -> None:
    """Switch dropout and noise off: log-probs of one set of weights must be one set of numbers.

    Most models drop in a module; some in a function, by a share that they keep as a number.
    """
    for module in model.modules():
        if isinstance(module, nn.Dropout):
            module.p = 0.0
        for name, value in vars(module).items():
            if isinstance(value, float) and ("drop" in name or "jitter" in name):
                setattr(module, name, 0.0)


def _not_found(where: str, error: Exception) -> str:
    if Path(where).is_dir():
        return f"{where} is no model folder that transformers can read: {_first_line(error)}"
    return (
        f"the model {where} is neither a folder here nor could it be fetched from the hub: "
        f"{_first_line(error)}. Without a network give a local copy (model.path=FOLDER), or one "
        "that was fetched before (HF_HOME=FOLDER HF_HUB_OFFLINE=1); model=tiny needs no download"
    )


def _needs_code(where: str, error: Exception) -> str | None:
    """Return what to type where a model comes with Python code that nobody said may run."""
    if "trust_remote_code" not in str(error):
        return None
    return (
        f"{where} comes with Python code of its own, which its config needs (auto_map) and which "
        "is not run unasked; read it, and type model.trust_remote_code=true"
    )


@contextmanager
def _quiet() -> Iterator[None]:
    """Silence the warnings of transformers about what is judged here, and told in our words."""
    from transformers.utils import logging

    before = logging.get_verbosity()
    logging.set_verbosity_error()
    try:
        yield
    finally:
        logging.set_verbosity(before)


def _first_line(error: Exception) -> str:
    said = str(error).strip().split("\n")[0].rstrip(".")
    return said or type(error).__name__
