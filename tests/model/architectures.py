"""A tiny model of every causal architecture that transformers registers."""

from __future__ import annotations

from typing import Any

import torch
from transformers import AutoConfig, AutoModelForCausalLM
from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING_NAMES

NAMES = tuple(MODEL_FOR_CAUSAL_LM_MAPPING_NAMES)

#: Sizes by the names that configs give them.
SIZES: dict[str, Any] = {
    **dict.fromkeys(("hidden_size", "n_embd", "d_model", "dim", "embed_dim", "emb_dim"), 32),
    **dict.fromkeys(
        (
            "num_hidden_layers",
            "n_layer",
            "num_layers",
            "n_layers",
            "decoder_layers",
            "encoder_layers",
        ),
        2,
    ),
    **dict.fromkeys(
        (
            "num_attention_heads",
            "n_head",
            "n_heads",
            "num_heads",
            "decoder_attention_heads",
            "encoder_attention_heads",
        ),
        4,
    ),
    **dict.fromkeys(("num_key_value_heads", "n_head_kv", "num_kv_heads"), 2),
    **dict.fromkeys(
        (
            "intermediate_size",
            "n_inner",
            "ffn_dim",
            "decoder_ffn_dim",
            "encoder_ffn_dim",
            "ffn_hidden_size",
            "moe_intermediate_size",
            "shared_expert_intermediate_size",
        ),
        48,
    ),
    **dict.fromkeys(("max_position_embeddings", "n_positions", "n_ctx", "max_seq_len"), 512),
    **dict.fromkeys(("num_experts", "num_local_experts", "n_routed_experts", "moe_num_experts"), 4),
    **dict.fromkeys(
        ("num_experts_per_tok", "moe_topk", "moe_k", "top_k_experts", "num_experts_per_token"), 2
    ),
    "head_dim": 8,
    "vocab_size": 104,
    "n_group": 1,
    "topk_group": 1,
    "sliding_window": 8,
    "attention_window_size": 8,
    "attention_chunk_size": 16,
    "window_size": 8,
    "q_lora_rank": 16,
    "kv_lora_rank": 8,
    "qk_rope_head_dim": 4,
    "qk_nope_head_dim": 4,
    "v_head_dim": 8,
    "bos_token_id": 2,
    "eos_token_id": 3,
    "pad_token_id": 0,
    "initializer_range": 0.3,
    "init_std": 0.3,
    "linear_num_key_heads": 2,
    "linear_num_value_heads": 4,
    "linear_key_head_dim": 8,
    "linear_value_head_dim": 8,
    "mamba_n_heads": 4,
    "mamba_d_head": 16,
    "mamba_d_state": 8,
    "mamba_n_groups": 1,
    "mamba_d_ssm": 64,
    "state_size": 8,
    "time_step_rank": 4,
    "mamba_dt_rank": 4,
    "layer_types": None,
    "lru_width": 32,
}
_LAYERS4 = {"num_hidden_layers": 4}
_MLA = {"head_dim": 4, "num_key_value_heads": 4}
OWN: dict[str, dict[str, Any]] = {
    "axk1": _MLA,
    "deepseek_v3": _MLA,
    "youtu": _MLA,
    "deepseek_v2": {"topk_method": "greedy", **_MLA},
    "axk2": _MLA | {"index_head_dim": 8, "index_n_heads": 32, "index_topk": 16},
    "deepseek_v32": _MLA | {"index_head_dim": 8, "index_n_heads": 32, "index_topk": 16},
    "glm_moe_dsa": _MLA | {"index_head_dim": 8, "index_n_heads": 32, "index_topk": 16},
    "bailing_hybrid": {"num_hidden_layers": 8},
    "bamba": {"num_hidden_layers": 4, "attn_layer_indices": [1, 3]},
    "codegen": {"rotary_dim": 4},
    "gptj": {"rotary_dim": 4},
    "cpmant": {
        "dim_head": 8,
        "dim_ff": 48,
        "segment_types": 4,
        "prompt_types": 4,
        "prompt_length": 4,
    },
    "ctrl": {"dff": 48},
    "gpt_neo": {
        "attention_types": [[["global", "local"], 1]],
        "attention_layers": ["global", "local"],
        "num_layers": 2,
    },
    "hunyuan_v1_dense": {"rope_parameters": {"rope_type": "default", "rope_theta": 1e4}},
    "hunyuan_v1_moe": {
        "rope_parameters": {"rope_type": "default", "rope_theta": 1e4},
        "moe_topk": 2,
        "moe_intermediate_size": 48,
    },
    "ministral": {"head_dim": 8},
    "inkling_text": {"swa_head_dim": 8, "rel_extent": 16, "sliding_window_size": 8},
    "inkling2_text": {
        "swa_head_dim": 8,
        "rel_extent": 16,
        "sliding_window_size": 8,
        "unpadded_vocab_size": 104,
    },
    "kimi_linear": {"num_hidden_layers": 4, "linear_head_dim": 8},
    "longcat_flash": {"zero_expert_num": 2, "expert_ffn_hidden_size": 48},
    "mamba2": {"num_heads": 8, "head_dim": 8, "n_groups": 1, "chunk_size": 16},
    "minimax_m3_vl_text": {
        "dense_intermediate_size": 48,
        "shared_intermediate_size": 48,
        "index_head_dim": 8,
        "index_block_size": 8,
    },
    "nemotron": {"head_dim": 8},
    "nemotron_h": {
        "ssm_state_size": 8,
        "mamba_num_heads": 4,
        "mamba_head_dim": 8,
        "chunk_size": 16,
        "moe_shared_expert_intermediate_size": 48,
        "n_groups": 1,
    },
    "recurrent_gemma": {"num_hidden_layers": 3},
    "jamba": {"num_hidden_layers": 8, "attn_layer_offset": 1, "attn_layer_period": 2},
    "granitemoehybrid": {"num_hidden_layers": 4, "layer_types": ["mamba", "attention"] * 2},
    "qwen3_next": _LAYERS4,
    "qwen3_5": _LAYERS4,
    "qwen3_5_text": _LAYERS4,
    "qwen3_5_moe": _LAYERS4,
    "qwen3_5_moe_text": _LAYERS4,
    "lfm2": {"layer_types": ["conv", "full_attention"] * 2, "num_hidden_layers": 4},
    "falcon": {"alibi": True, "new_decoder_architecture": False},
    "lfm2_moe": {
        "num_hidden_layers": 4,
        "layer_types": ["conv", "full_attention"] * 2,
        "num_dense_layers": 1,
    },
    "lfm3": _LAYERS4,
    "qwen4_exp": {
        "hc_lowrank": 4,
        "num_hidden_layers": 4,
        "ngram_vocab_size_base": 200,
        "make_ngram_vocab_size_divisible_by": 8,
        "split_ngram_parts": 2,
    },
    "qwen4_exp_text": {
        "hc_lowrank": 4,
        "num_hidden_layers": 4,
        "ngram_vocab_size_base": 200,
        "make_ngram_vocab_size_divisible_by": 8,
        "split_ngram_parts": 2,
    },
    "reformer": {
        "is_decoder": True,
        "axial_pos_shape": [16, 32],
        "axial_pos_embds_dim": [16, 16],
        "attention_head_size": 8,
        "feed_forward_size": 48,
        "hidden_size": 32,
        "attn_layers": ["local", "local"],
        "local_attn_chunk_length": 8,
    },
    "rembert": {"input_embedding_size": 16, "output_embedding_size": 16},
    "roc_bert": {
        "pronunciation_embed_dim": 8,
        "pronunciation_vocab_size": 16,
        "shape_embed_dim": 8,
        "shape_vocab_size": 16,
    },
    "xlnet": {"d_inner": 48},
    "xmod": {"languages": ["en_XX"], "default_language": "en_XX"},
    "git": {"num_hidden_layers": 2},
    "gemma4_text": {"vocab_size_per_layer_input": 104, "hidden_size_per_layer_input": 8},
    "gemma4": {"vocab_size_per_layer_input": 104, "hidden_size_per_layer_input": 8},
    "gemma3n_text": {
        "num_kv_shared_layers": 0,
        "vocab_size_per_layer_input": 104,
        "hidden_size_per_layer_input": 8,
        "activation_sparsity_pattern": None,
    },
    "zamba": {"num_hidden_layers": 4, "layers_block_type": ["mamba", "hybrid"] * 2},
    "zamba2": {"num_hidden_layers": 4, "layers_block_type": ["mamba", "hybrid"] * 2},
    **{
        n: {
            "decoder_layers": 2,
            "decoder_ffn_dim": 48,
            "decoder_attention_heads": 4,
            "encoder_layers": 1,
            "encoder_ffn_dim": 48,
            "encoder_attention_heads": 4,
            "decoder_start_token_id": 2,
            "is_decoder": True,
            "is_encoder_decoder": False,
        }
        for n in (
            "bart",
            "bigbird_pegasus",
            "blenderbot",
            "blenderbot-small",
            "marian",
            "mbart",
            "mvp",
            "pegasus",
            "plbart",
            "whisper",
            "trocr",
        )
    },
    "prophetnet": {
        "num_decoder_layers": 2,
        "num_encoder_layers": 1,
        "decoder_ffn_dim": 48,
        "encoder_ffn_dim": 48,
        "num_decoder_attention_heads": 4,
        "num_encoder_attention_heads": 4,
        "is_decoder": True,
        "is_encoder_decoder": False,
    },
    **{
        n: {"is_decoder": True}
        for n in (
            "bert",
            "bert-generation",
            "big_bird",
            "camembert",
            "data2vec-text",
            "electra",
            "ernie",
            "megatron-bert",
            "roberta",
            "roberta-prelayernorm",
            "roformer",
            "xlm-roberta",
            "xlm-roberta-xl",
        )
    },
}
for _name in ("xmod", "rembert", "roc_bert"):
    OWN[_name] |= {"is_decoder": True}
OWN["deepseek_v4"] = {"o_lora_rank": 8, "index_head_dim": 8, "index_topk": 16}


#: More parameters than this are no tiny model.
LARGEST = 400_000


def tiny_config(name: str) -> Any:
    """Return a small config of an architecture; raises where it has none of its own."""
    text = AutoConfig.for_model(name).get_text_config(decoder=True)
    given = text.to_dict()
    sizes = {
        key: value
        for key, value in SIZES.items()
        if key in text.attribute_map or given.get(key) is not None
    }
    for key, value in text.attribute_map.items():
        if key in sizes:
            sizes.pop(value, None)
    sizes.pop("layer_types", None)
    return type(text)(**sizes | OWN.get(name, {}))


def tiny_model(name: str, **changes: Any) -> Any:
    """Return a tiny model with loud random weights, so that every fault shows."""
    config = tiny_config(name)
    for key, value in changes.items():
        setattr(config, key, value)
    with torch.device("meta"):
        count = sum(p.numel() for p in AutoModelForCausalLM.from_config(config).parameters())
    if count > LARGEST:
        raise ValueError(f"{name} cannot be made small: {count} parameters")
    torch.manual_seed(0)
    return AutoModelForCausalLM.from_config(config).eval()
