"""Low-rank adapters through peft: attaching, merging, and copying merged weights."""

from __future__ import annotations

import copy
import warnings
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from etude.component import option
from etude.errors import ModelError


@dataclass(frozen=True)
class Lora:
    """Low-rank adapters that are trained in place of the model's own weights (arXiv 2106.09685)."""

    rank: int = option(16, "rank of each adapter", ge=1, le=100_000)
    alpha: float = option(32.0, "scale: the adapter's output is multiplied by alpha ÷ rank", gt=0)
    dropout: float = option(
        0.0, "chance that an input of an adapter is dropped in training", ge=0, lt=1
    )
    targets: list[str] = option(
        [], "names of the linear layers that get one (q_proj, v_proj, …); empty: all but the head"
    )
    hand_on: str = option(
        "merged",
        "what the stage hands on: the model with its adapters merged, or the adapters alone",
        choices=("merged", "adapter"),
    )


def attach(model: nn.Module, settings: Lora) -> nn.Module:
    """Return ``model`` wrapped with fresh adapters, everything else frozen.

    Adapters are initialised from torch's generator. Raises ModelError when peft is not installed
    or no layer has one of the names.
    """
    try:
        from peft import LoraConfig, get_peft_model
    except ImportError as error:
        raise ModelError(
            "model.lora needs the package peft, which is not installed: pip install 'etude[lora]'"
        ) from error
    config = LoraConfig(
        r=settings.rank,
        lora_alpha=settings.alpha,  # type: ignore[arg-type]
        lora_dropout=settings.dropout,
        target_modules=settings.targets or "all-linear",
        task_type="CAUSAL_LM",
    )
    try:
        with warnings.catch_warnings():
            # What it warns of is put right below.
            warnings.filterwarnings("ignore", message=".*tie_word_embeddings=True.*")
            return untied(get_peft_model(model, config))
    except ValueError as error:
        names = sorted(
            {n.rsplit(".", 1)[-1] for n, m in model.named_modules() if type(m) is nn.Linear}
        )
        raise ModelError(
            f"model.lora.targets={settings.targets} cannot be used: {error}; the linear layers of "
            f"this model are named {', '.join(names)}"
        ) from error


def untied(model: nn.Module) -> nn.Module:
    """Return a wrapped model whose output matrix is its own where it or the embedding is adapted.

    While they are one matrix, merging an adapter of one of them would change both.
    """
    plain = unwrapped(model)
    embedding, head = plain.get_input_embeddings(), plain.get_output_embeddings()
    if head is None or not any(hasattr(module, "get_base_layer") for module in (embedding, head)):
        return model
    if embedding.weight is not head.weight:
        return model
    own = head.get_base_layer() if hasattr(head, "get_base_layer") else head
    own.weight = nn.Parameter(own.weight.detach().clone(), requires_grad=False)
    for config in (plain.config, plain.config.get_text_config()):
        config.tie_word_embeddings = False
    plain.all_tied_weights_keys = {}
    return model


def unmergeable(model: nn.Module) -> bool:
    """Return whether an adapter moves a bias of a layer that has none to merge it into."""
    return any(
        any(getattr(module, "lora_bias", {}).values())
        and getattr(module.get_base_layer(), "bias", None) is None  # type: ignore[operator]
        for module in model.modules()
        if hasattr(module, "get_base_layer")
    )


def is_adapted(model: nn.Module) -> bool:
    """Return whether ``model`` is a peft wrapper."""
    return hasattr(model, "peft_config") and hasattr(model, "get_base_model")


def unwrapped(model: nn.Module) -> Any:
    """Return the transformers model inside a wrapper, or the model itself."""
    return model.get_base_model() if is_adapted(model) else model  # type: ignore[operator]


def merged(model: nn.Module, *, copied: bool = True) -> Any:
    """Return the transformers model with its adapters merged, the given model left as it is.

    With ``copied=False`` a model without adapters is returned itself.
    """
    if not is_adapted(model):
        return copy.deepcopy(model) if copied else model
    # Merging in place and back would change the frozen weights by a rounding error.
    return copy.deepcopy(model).merge_and_unload()  # type: ignore[operator]


@torch.no_grad()
def copy_merged(source: nn.Module, target: nn.Module) -> None:
    """Copy the weights of ``source``, adapters merged, into ``target`` (same architecture)."""
    adapted = _low_rank(source) if is_adapted(source) else {}
    if adapted is None or not is_adapted(source):
        theirs = dict(merged(source, copied=False).named_parameters())
        for name, parameter in target.named_parameters():
            parameter.copy_(_whole(theirs[name]))
        return
    for name, module in adapted.items():
        weight = module.get_base_layer().weight
        for adapter in module.active_adapters:
            if adapter in module.lora_A or adapter in module.lora_embedding_A:
                weight = weight + module.get_delta_weight(adapter).to(weight.dtype)
        target.get_submodule(name).weight.copy_(_whole(weight))  # type: ignore[operator]


def _low_rank(model: nn.Module) -> dict[str, Any] | None:
    """Return the adapted layers by name, None where more is trained than their low-rank sums.

    That is: directions and sizes apart (DoRA), biases, whole modules, or single tokens.
    """
    from peft.tuners.lora import LoraLayer

    found = {name: m for name, m in unwrapped(model).named_modules() if isinstance(m, LoraLayer)}
    plain = all(
        isinstance(getattr(m.get_base_layer(), "weight", None), nn.Parameter)
        and not m.lora_variant
        and not any(m.lora_bias.values())
        and not hasattr(m, "parameter_name")
        for m in found.values()
    )
    known = {id(p) for m in found.values() for p in m.parameters()}  # type: ignore[attr-defined]
    moved = all(id(p) in known for p in model.parameters() if p.requires_grad)
    return found if plain and moved else None


def _whole(tensor: Any) -> torch.Tensor:
    """Return all rows of a weight that may be cut over ranks; they ask together."""
    return tensor.full_tensor() if hasattr(tensor, "full_tensor") else tensor
