"""How large a model is, read from its config or its files without importing torch.

Parameters of a decoder with hidden size h, L layers, q query and k key-value heads of width d,
feed-forward width f and vocabulary v: ``v·h`` embeddings (twice when the output is not tied),
``h·d·(2q + 2k)`` attention and ``3·h·f`` feed-forward (``2·h·f`` without a gate) a layer, and the
norms and biases that the family has.
"""

from __future__ import annotations

import json
import math
import re
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from etude.errors import ModelError


@dataclass(frozen=True)
class Family:
    """What distinguishes one decoder architecture's parameters from another's."""

    qkv_bias: bool = False
    output_bias: bool = False
    feed_forward_bias: bool = False
    gated: bool = True
    norms: int = 2
    norm_vectors: int = 1  # a LayerNorm has a weight and a bias, an RMSNorm a weight
    qk_norm: str = "none"  # none | head (a vector of the head's width) | full (of all heads)
    positions: int | None = None  # learned positions beyond max_position_embeddings; None: none
    head_bias: bool = False
    tied: bool = False


_LLAMA = Family()
_BIASED = Family(
    qkv_bias=True, output_bias=True, feed_forward_bias=True, gated=False, norm_vectors=2
)
FAMILIES: dict[str, Family] = {
    "llama": _LLAMA,
    "mistral": _LLAMA,
    "mixtral": _LLAMA,
    "phi3": _LLAMA,
    "smollm3": replace(_LLAMA, tied=True),
    "qwen2": replace(_LLAMA, qkv_bias=True),
    "qwen3": replace(_LLAMA, qk_norm="head"),
    "qwen3_moe": replace(_LLAMA, qk_norm="head"),
    "olmo2": replace(_LLAMA, qk_norm="full"),
    "olmo3": replace(_LLAMA, qk_norm="full"),
    "gemma": replace(_LLAMA, tied=True),
    "gemma2": replace(_LLAMA, norms=4, tied=True),
    "gemma3": replace(_LLAMA, norms=4, qk_norm="head", tied=True),
    "gemma3_text": replace(_LLAMA, norms=4, qk_norm="head", tied=True),
    "gpt2": replace(_BIASED, positions=0, tied=True),
    "gpt_neox": _BIASED,
    "opt": replace(_BIASED, positions=2, tied=True),
    "phi": replace(_BIASED, norms=1, head_bias=True),
}

#: Bytes; the format's own limit.
_LONGEST_HEADER = 100_000_000

_KEYS: dict[str, tuple[str, ...]] = {
    "hidden": ("hidden_size", "n_embd", "d_model"),
    "layers": ("num_hidden_layers", "n_layer", "num_layers", "layers"),
    "heads": ("num_attention_heads", "n_head", "attention_heads", "heads"),
    "kv_heads": ("num_key_value_heads", "kv_heads", "key_value_heads"),
    "head_width": ("head_dim", "head_size"),
    "feed_forward": ("intermediate_size", "n_inner", "ffn_dim", "feed_forward_size"),
    "vocabulary": ("vocab_size", "vocabulary_size", "vocabulary"),
    "positions": ("max_position_embeddings", "n_positions"),
    "experts": ("num_experts", "num_local_experts"),
    "expert_width": ("moe_intermediate_size",),
}


@dataclass(frozen=True)
class Shape:
    """The sizes of a decoder, its number of parameters, and where they were read.

    ``origin`` completes "parameters from …". ``exact`` is False where a size had to be guessed.
    """

    hidden: int
    layers: int
    query_width: int
    kv_width: int
    feed_forward: int
    vocabulary: int
    parameters: int
    origin: str
    exact: bool = True


def shape_of_config(config: Mapping[str, Any], origin: str) -> Shape:
    """Return the shape that a Hugging Face config (the content of ``config.json``) describes.

    Raises ModelError when the config names no hidden size, layers, heads or vocabulary.
    """
    inner = config.get("text_config") if isinstance(config, Mapping) else None
    config = inner if isinstance(inner, Mapping) else config
    if not isinstance(config, Mapping):
        raise ModelError(f"{origin} is no mapping of a model's sizes, so they cannot be read.")
    sizes = {name: _first(config, keys) for name, keys in _KEYS.items()}
    for name in ("hidden", "layers", "heads", "vocabulary"):
        if not sizes[name]:
            keys = " or ".join(_KEYS[name])
            raise ModelError(f"{origin} does not say {keys}, so its size cannot be estimated.")
    hidden, heads = int(sizes["hidden"] or 0), int(sizes["heads"] or 0)
    kind = str(config.get("model_type", ""))
    kv_heads = int(sizes["kv_heads"] or heads)
    head_width = int(sizes["head_width"] or hidden // heads)
    wide = int(sizes["feed_forward"] or 4 * hidden)
    layers, vocabulary = int(sizes["layers"] or 0), int(sizes["vocabulary"] or 0)
    family = FAMILIES.get(kind, _LLAMA)
    if config.get("attention_bias") is not None and family is not FAMILIES["qwen2"]:
        biased = bool(config["attention_bias"])
        family = replace(family, qkv_bias=biased, output_bias=biased)
    if config.get("mlp_bias") is not None:
        family = replace(family, feed_forward_bias=bool(config["mlp_bias"]))
    tied = config.get("tie_word_embeddings")
    tied = family.tied if tied is None else bool(tied)

    total = vocabulary * hidden * (1 if tied else 2)
    total += vocabulary if family.head_bias else 0
    total += family.norm_vectors * hidden  # the last norm
    if family.positions is not None:
        total += (int(sizes["positions"] or 0) + family.positions) * hidden
    layer = _attention(family, hidden, heads * head_width, kv_heads * head_width, head_width)
    layer += family.norms * family.norm_vectors * hidden
    experts = int(sizes["experts"] or 0)
    if experts:
        expert_width = int(sizes["expert_width"] or wide)
        layer += experts * _feed_forward(family, hidden, expert_width) + experts * hidden
    else:
        layer += _feed_forward(family, hidden, wide)
    return Shape(
        hidden,
        layers,
        heads * head_width,
        kv_heads * head_width,
        wide,
        vocabulary,
        total + layers * layer,
        origin,
        exact=kind in FAMILIES,
    )


def shape_of_folder(folder: Path) -> Shape:
    """Return the shape of a Hugging Face model folder; parameters are counted in its files.

    Raises ModelError when there is no readable ``config.json``.
    """
    path = folder / "config.json"
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise ModelError(f"{path} cannot be read as a model's config: {error}") from error
    shape = shape_of_config(config, str(path))
    counted = stored_parameters(folder)
    return replace(shape, parameters=counted, exact=True, origin=str(folder)) if counted else shape


def stored_parameters(folder: Path) -> int:
    """Return the elements of all tensors in a folder's safetensors files; 0 where there are none.

    Raises ModelError where one cannot be read.
    """
    return sum(_stored_parameters(folder))


def size_in_name(name: str) -> int | None:
    """Return the parameters a model's name claims (``Qwen3-0.6B`` → 600,000,000), or None."""
    found = re.search(r"(?<![\w.])(\d+(?:\.\d+)?)([BbMm])(?![A-Za-z0-9])", name)
    if found is None:
        return None
    return round(float(found[1]) * (1e9 if found[2] in "Bb" else 1e6))


def _attention(family: Family, hidden: int, query: int, key_value: int, head_width: int) -> int:
    weights = hidden * (2 * query + 2 * key_value)
    biases = (query + 2 * key_value if family.qkv_bias else 0) + (
        hidden if family.output_bias else 0
    )
    norms = {"none": 0, "head": 2 * head_width, "full": query + key_value}[family.qk_norm]
    return weights + biases + norms


def _feed_forward(family: Family, hidden: int, wide: int) -> int:
    weights = hidden * wide * (3 if family.gated else 2)
    if not family.feed_forward_bias:
        return weights
    return weights + wide * (2 if family.gated else 1) + hidden


def stored_names(folder: Path) -> set[str]:
    """Return the names of the tensors in a folder's safetensors; raises ModelError."""
    return {name for name, _ in _stored_tensors(folder)}


def _stored_parameters(folder: Path) -> Iterator[int]:
    """Yield the elements of each tensor in the folder's safetensors headers."""
    yield from (size for _, size in _stored_tensors(folder))


def _stored_tensors(folder: Path) -> Iterator[tuple[str, int]]:
    """Yield the name of each tensor in the folder's safetensors headers, and its elements."""
    for path in sorted(folder.glob("*.safetensors")):
        try:
            with path.open("rb") as file:
                length = struct.unpack("<Q", file.read(8))[0]
                header = json.loads(file.read(min(length, _LONGEST_HEADER)))
            names = [name for name in header if name != "__metadata__"]
            sizes = [math.prod(map(int, header[name]["shape"])) for name in names]
        except (OSError, ValueError, KeyError, TypeError, RecursionError, struct.error) as error:
            raise ModelError(f"{path} is no whole safetensors file: {error}") from error
        yield from zip(names, sizes, strict=True)


def _first(config: Mapping[str, Any], keys: tuple[str, ...]) -> int | None:
    for key in keys:
        value = config.get(key)
        if isinstance(value, int) and not isinstance(value, bool):
            return value
    return None
