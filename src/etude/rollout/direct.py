"""A decode step written out for Llama-like models: a few fused products in place of the modules.

With a small model most of a step is the cost of calling modules; here query, key and value are one
product, gate and up another, and attention reads the slots in place. Used where the weights are
small enough to be kept twice.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from etude.model.policy import Policy
from etude.rollout.slots import SlotDecoder
from etude.rollout.waves import up

#: Transformers classes whose layers are the ones written out below.
_FAMILIES = ("LlamaForCausalLM", "Qwen2ForCausalLM", "Qwen3ForCausalLM", "MistralForCausalLM")

#: Parameters up to which a second, fused copy costs less than it saves.
_SMALL = 100_000_000


@dataclass(frozen=True)
class _Layer:
    """The weights of one decoder layer, fused."""

    attention_norm: Tensor
    qkv: Tensor
    qkv_bias: Tensor | None
    query_norm: Tensor | None
    key_norm: Tensor | None
    out: Tensor
    out_bias: Tensor | None
    feed_norm: Tensor
    gate_up: Tensor
    gate_up_bias: Tensor | None
    down: Tensor
    down_bias: Tensor | None


class DirectDecoder(SlotDecoder):
    """Decodes small Llama-like models over a slot cache without their modules."""

    def __init__(self, policy: Policy) -> None:
        super().__init__(policy)
        config = policy.causal_lm.config
        self._heads = config.num_attention_heads
        self._kv_heads = config.num_key_value_heads
        self._width = getattr(config, "head_dim", None) or config.hidden_size // self._heads
        self._epsilon = config.rms_norm_eps
        # Batched products of fewer than 400 multiplications take another kernel, with other bits.
        self._narrowest = up(-(-400 * self._kv_heads // (self._heads * self._width)))
        self.refresh()

    @classmethod
    def fits(cls, policy: Policy) -> bool:
        """Return whether the model is small and one of the families written out here."""
        lm = policy.causal_lm
        rope = getattr(lm.config, "rope_parameters", None) or {}
        return (
            SlotDecoder.fits(policy)
            and type(lm).__name__ in _FAMILIES
            and type(lm).__module__.startswith("transformers.models.")
            and policy.plain_head
            and lm.config.hidden_act == "silu"
            and rope.get("rope_type", "default") not in ("dynamic", "longrope")
            and sum(p.numel() for p in lm.parameters()) <= _SMALL
        )

    def refresh(self) -> None:
        """Fuse the policy's present weights."""
        decoder = self._policy.causal_lm.get_decoder()
        self._embedding = decoder.embed_tokens.weight
        self._last_norm = decoder.norm.weight
        self._fused = [_fused(layer) for layer in decoder.layers]
        positions = torch.arange(decoder.config.max_position_embeddings, device=self._device)
        cos, sin = decoder.rotary_emb(self._embedding, positions.unsqueeze(0))
        half = self._width // 2
        self._cos = cos[0].unsqueeze(1)
        # x·cos + rotate_half(x)·sin, with the sign of the rotation moved into the table.
        self._sin = torch.cat((-sin[0, :, :half], sin[0, :, half:]), dim=-1).unsqueeze(1)

    def _next_states(self, ids: Tensor, width: int) -> Tensor:
        rows, hidden = ids.shape[0], self._embedding.shape[1]
        heads, kv, d = self._heads, self._kv_heads, self._width
        positions = self._positions[:rows]
        cos, sin = self._cos[positions], self._sin[positions]
        mask = self._mask[:rows, None, None, :width]
        x = F.embedding(ids, self._embedding)
        for weights, slots in zip(self._fused, self._layers, strict=True):
            y = F.rms_norm(x, (hidden,), weights.attention_norm, self._epsilon)
            y = F.linear(y, weights.qkv, weights.qkv_bias).view(rows, heads + 2 * kv, d)
            turned, values = y[:, : heads + kv], y[:, heads + kv :]
            if weights.query_norm is not None and weights.key_norm is not None:
                query = F.rms_norm(y[:, :heads], (d,), weights.query_norm, self._epsilon)
                key = F.rms_norm(y[:, heads : heads + kv], (d,), weights.key_norm, self._epsilon)
                turned = torch.cat((query, key), dim=1)
            turned = torch.addcmul(turned * cos, turned.roll(d // 2, -1), sin)
            slots.write(turned[:, heads:], values)
            query = turned[:, :heads].reshape(rows * kv, heads // kv, d)
            mixed = self._attend(query, slots, rows, width, mask)
            x = x + F.linear(mixed.view(rows, heads * d), weights.out, weights.out_bias)
            y = F.rms_norm(x, (hidden,), weights.feed_norm, self._epsilon)
            gate, wide = F.linear(y, weights.gate_up, weights.gate_up_bias).chunk(2, dim=-1)
            x = x + F.linear(F.silu(gate) * wide, weights.down, weights.down_bias)
        return F.rms_norm(x, (hidden,), self._last_norm, self._epsilon)

    def _attend(self, query: Tensor, slots: Any, rows: int, width: int, mask: Tensor) -> Tensor:
        """Return attention of ``query [rows·kv, group, d]`` over the first ``width`` cells."""
        d = self._width
        keys = slots.keys[:rows].view(rows * self._kv_heads, -1, d)[:, :width]
        values = slots.values[:rows].view(rows * self._kv_heads, -1, d)[:, :width]
        scores = torch.bmm(query * d**-0.5, keys.transpose(1, 2))
        scores.view(rows, self._kv_heads, -1, width).add_(mask)
        return torch.bmm(torch.softmax(scores, dim=-1), values)


def _fused(layer: Any) -> _Layer:
    attention, feed = layer.self_attn, layer.mlp
    projections = (attention.q_proj, attention.k_proj, attention.v_proj)
    query_norm, key_norm = getattr(attention, "q_norm", None), getattr(attention, "k_norm", None)
    return _Layer(
        attention_norm=layer.input_layernorm.weight,
        qkv=torch.cat([p.weight for p in projections]),
        qkv_bias=_biases(projections),
        query_norm=None if query_norm is None else query_norm.weight,
        key_norm=None if key_norm is None else key_norm.weight,
        out=attention.o_proj.weight,
        out_bias=attention.o_proj.bias,
        feed_norm=layer.post_attention_layernorm.weight,
        gate_up=torch.cat([feed.gate_proj.weight, feed.up_proj.weight]),
        gate_up_bias=_biases((feed.gate_proj, feed.up_proj)),
        down=feed.down_proj.weight,
        down_bias=feed.down_proj.bias,
    )


def _biases(projections: tuple[Any, ...]) -> Tensor | None:
    if projections[0].bias is None:
        return None
    return torch.cat([p.bias for p in projections])
