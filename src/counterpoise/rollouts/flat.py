"""One-token passes without the library's modules: few, fused operators on flat tensors, for the families whose layers are Llama's.

Each call of a sampler fuses the weights as they are then: query, key and value in one matrix, gate and up in another, the weights of the
norms before them and the scale of the queries multiplied in. Query and key dimensions are put in pairs, so that a rotation is one complex
product. A norm is `x / hypot(|x|, sqrt(n eps))`, with `sqrt(n)` in the weights behind it. One query a row attends by batched products, one
with its prompt's keys, read once for all rows of the prompt, and one with its own; heads of a group share keys without repeating them.

The numbers are those of the library's modules up to rounding; `decoding.proven` sees to that before the first rollout.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import torch
from torch import nn
from torch.nn import functional
from transformers import PreTrainedModel
from transformers.cache_utils import Cache

from counterpoise.rollouts.cache import PreallocatedLayer
from counterpoise.rollouts.rope import rope_boundary

if TYPE_CHECKING:
    from counterpoise.rollouts.decoding import PromptBatch

__all__ = ["FlatState", "FlatWeights", "flat_weights"]

_NORM_OFFSETS = {"llama": 0.0, "qwen2": 0.0, "qwen3": 0.0, "mistral": 0.0, "gemma3_text": 1.0}
"""Families that are known, and what their norms add to their weights."""
_LARGEST = 2**31
"""Bytes of fused copies at most; models beyond are bound by their products, which are no faster here."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Layer:
    """Fused weights of one layer, as right factors, and their biases."""

    qkv: torch.Tensor
    qkv_bias: torch.Tensor | None
    out: torch.Tensor
    gate_up: torch.Tensor
    down: torch.Tensor
    qk_norm: torch.Tensor | None
    """(heads, d) weights of the norms of queries and keys."""
    after: tuple[torch.Tensor, torch.Tensor] | None
    """(H,) weights of the norms behind attention and MLP (Gemma)."""
    kind: str | None
    """Its kind of rotation, where a model has several."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FlatWeights:
    """What the one-token passes of one sampler's call need of a model."""

    model: Any
    layers: tuple[_Layer, ...]
    heads: int
    shared: int
    """Key and value heads."""
    width: int
    """Dimensions of a head."""
    eps: float
    final: torch.Tensor
    """(H,) weights of the last norm."""
    window: int | None
    """Positions that a token sees, where some layer bounds them."""

    def holds(self, positions: int) -> bool:
        """Whether rows of so many positions see all of themselves."""
        return self.window is None or positions <= self.window


def flat_weights(model: Any) -> FlatWeights | None:
    """Fuse a model's weights as they are now; None where family, modules, device or dtype are not those of the flat pass."""
    config = getattr(model, "config", None)
    offset = _NORM_OFFSETS.get(getattr(config, "model_type", ""))
    if offset is None or not isinstance(model, PreTrainedModel) or not _plain(model):
        return None
    trunk: Any = model.get_decoder()  # type: ignore[no-untyped-call]
    text: Any = config
    if sum(p.nbytes for layer in trunk.layers for p in layer.parameters()) > _LARGEST:
        return None
    first = trunk.layers[0].self_attn
    return FlatWeights(
        model=model,
        layers=tuple(_fused(layer, offset) for layer in trunk.layers),
        heads=text.num_attention_heads,
        shared=text.num_key_value_heads,
        width=first.head_dim,
        eps=text.rms_norm_eps,
        final=(trunk.norm.weight + offset) * math.sqrt(text.hidden_size),
        window=text.sliding_window if getattr(text, "sliding_window", None) else None,
    )


def _plain(model: PreTrainedModel) -> bool:
    """Whether the family's own modules are at work: no adapters, hooks, quantisation, caps, or rotation that follows the length."""
    config: Any = model.config
    trunk: Any = model.get_decoder()  # type: ignore[no-untyped-call]
    caps = (getattr(config, name, None) for name in ("attn_logit_softcapping", "final_logit_softcapping"))
    linear = [module for module in model.modules() if isinstance(module, nn.Linear) or hasattr(module, "base_layer")]
    hooked = any(
        module._forward_hooks or module._forward_pre_hooks or "forward" in vars(module) for module in model.modules()
    )
    return (
        not hooked
        and not any(caps)
        and all(type(module) is nn.Linear for module in linear)
        and all(p.device.type == "cpu" and p.dtype == torch.float32 for p in model.parameters())
        and not torch.is_autocast_enabled("cpu")
        and rope_boundary(config) is None
        and _activation(config) in ("silu", "gelu_pytorch_tanh")
        and not any(
            part.bias is not None
            for layer in trunk.layers
            for part in (layer.self_attn.o_proj, *layer.mlp.children())
            if isinstance(part, nn.Linear)
        )
        and not getattr(config, "use_bidirectional_attention", False)
    )


def _activation(config: Any) -> str:
    return str(getattr(config, "hidden_activation", None) or getattr(config, "hidden_act", ""))


def _paired(rows: torch.Tensor, width: int) -> torch.Tensor:
    """Dimensions i and i + d/2 of every head, which a rotation mixes, side by side; along the first axis, heads x d long."""
    return rows.view(-1, 2, width // 2, *rows.shape[1:]).transpose(1, 2).reshape(rows.shape)


def _fused(layer: Any, offset: float) -> _Layer:
    attention, mlp = layer.self_attn, layer.mlp
    width, scale = attention.head_dim, attention.scaling
    q, k, v = attention.q_proj, attention.k_proj, attention.v_proj
    q_norm, k_norm = (getattr(attention, name, None) for name in ("q_norm", "k_norm"))
    early = 1.0 if q_norm is not None else scale
    root = math.sqrt(q.in_features)
    weights = [_paired(q.weight, width) * early, _paired(k.weight, width), v.weight]
    biases = None
    if q.bias is not None:
        biases = torch.cat([_paired(q.bias, width) * early, _paired(k.bias, width), v.bias])
    qk_norm = None
    if q_norm is not None and k_norm is not None:
        mine = (_paired(norm.weight + offset, width) * math.sqrt(width) for norm in (q_norm, k_norm))
        counts = (q.out_features // width, k.out_features // width)
        q_rows, k_rows = (row.expand(count, -1) for row, count in zip(mine, counts, strict=True))
        qk_norm = torch.cat([q_rows * scale, k_rows])
    behind = layer.post_attention_layernorm.weight + offset
    before = layer.pre_feedforward_layernorm.weight + offset if hasattr(layer, "pre_feedforward_layernorm") else None
    after = None
    if before is not None:
        after = (behind * root, (layer.post_feedforward_layernorm.weight + offset) * root)
    return _Layer(
        qkv=(torch.cat(weights) * ((layer.input_layernorm.weight + offset) * root)).t(),
        qkv_bias=biases,
        out=attention.o_proj.weight.t(),
        gate_up=(
            torch.cat([mlp.gate_proj.weight, mlp.up_proj.weight]) * ((behind if before is None else before) * root)
        ).t(),
        down=mlp.down_proj.weight.t(),
        qk_norm=qk_norm,
        after=after,
        kind=getattr(attention, "layer_type", None),
    )


class FlatState:
    """What a decode step needs of the live rows: keys and values of the prompts and of what they have said, and next positions.

    The rows of one prompt lie together, so that its keys are read once for all of them.
    """

    def __init__(
        self, weights: FlatWeights, batch: PromptBatch, repeats: int, steps: int, positions: int | None
    ) -> None:
        self._weights = weights
        self._next = batch.lengths.repeat_interleave(repeats)
        self._last = batch.width + steps if positions is None else positions - 1
        self._prompts = _prompt_states(batch.caches, weights)
        self._own = [PreallocatedLayer(steps) for _ in weights.layers]
        pads = batch.width - batch.lengths
        self._hidden: torch.Tensor | None = None
        """(G * kv heads, 1, P) 0 and, where a prompt is padded, -inf."""
        if int(pads.max()):
            hidden = torch.arange(batch.width) < pads[:, None]
            bias = torch.zeros(hidden.shape).masked_fill_(hidden, -torch.inf)
            self._hidden = bias.repeat_interleave(weights.shared, 0)[:, None]
        self._prompt_of = torch.arange(len(pads)).repeat_interleave(repeats)
        self._grid: tuple[torch.Tensor, torch.Tensor] | None = None
        """Where prompts have unequal numbers of rows: (G * n,) rows of a table of G prompts, padded by any, and (R,) cell of each row."""
        self._rotations = _rotations(weights, min(self._last, batch.width + steps) + 1)
        self._silu = _activation(weights.model.config) == "silu"
        trunk = weights.model.get_decoder()
        self._embed, self._head = trunk.embed_tokens, weights.model.get_output_embeddings()
        self._eps = torch.tensor(math.sqrt(weights.final.shape[0] * weights.eps))
        self._head_eps = torch.tensor(math.sqrt(weights.width * weights.eps))

    def keep(self, index: torch.Tensor) -> None:
        """Drop every row but those at `index`, which ascends."""
        for layer in self._own:
            if layer.is_initialized:
                layer.keep(index)
        self._next = self._next[index]
        left, self._prompt_of, counts = torch.unique_consecutive(
            self._prompt_of[index], return_inverse=True, return_counts=True
        )
        groups, most = len(left), int(counts.max())
        if groups < self._prompts[0][0].shape[0] // self._weights.shared:
            heads = (left[:, None] * self._weights.shared + torch.arange(self._weights.shared)).flatten()
            self._prompts = [(keys[heads], values[heads]) for keys, values in self._prompts]
            self._hidden = None if self._hidden is None else self._hidden[heads]
        self._grid = None
        if groups * most != len(index):
            starts = counts.cumsum(0) - counts
            cells = starts[:, None] + torch.arange(most).clamp(max=counts[:, None] - 1)
            self._grid = (
                cells.flatten(),
                torch.arange(len(index)) + (torch.arange(groups) * most - starts)[self._prompt_of],
            )

    def advance(self, tokens: torch.Tensor) -> torch.Tensor:
        """(B, V) logits after appending one token to each row."""
        own, rows = self._weights, len(tokens)
        at = self._next.clamp(max=self._last)
        rotations = {kind: table.index_select(0, at)[:, None] for kind, table in self._rotations.items()}
        x: torch.Tensor = self._embed(tokens)
        for layer, prompts, said in zip(own.layers, self._prompts, self._own, strict=True):
            mixed = self._attended(layer, prompts, said, _normed(x, self._eps), rotations[layer.kind]).view(rows, -1)
            if layer.after is None:
                x.addmm_(mixed, layer.out)
            else:
                x += _normed(mixed @ layer.out, self._eps) * layer.after[0]
            gate, up = (_normed(x, self._eps) @ layer.gate_up).chunk(2, 1)
            gate = functional.silu(gate) if self._silu else functional.gelu(gate, approximate="tanh")
            gate.mul_(up)
            if layer.after is None:
                x.addmm_(gate, layer.down)
            else:
                x += _normed(gate @ layer.down, self._eps) * layer.after[1]
        self._next = self._next + 1
        logits: torch.Tensor = self._head(_normed(x, self._eps) * own.final)
        return logits

    def _attended(
        self,
        layer: _Layer,
        prompts: tuple[torch.Tensor, torch.Tensor],
        said: PreallocatedLayer,
        x: torch.Tensor,
        rotation: torch.Tensor,
    ) -> torch.Tensor:
        """(B * kv heads, group, d) values that the heads of one token a row read; its key and value are written."""
        own, rows = self._weights, x.shape[0]
        both, width = own.heads + own.shared, own.width
        flat = x @ layer.qkv if layer.qkv_bias is None else torch.addmm(layer.qkv_bias, x, layer.qkv)
        pairs = flat[:, : both * width].view(rows, both, width)
        if layer.qk_norm is not None:
            pairs = _normed(pairs, self._head_eps).mul_(layer.qk_norm)
        turned = torch.view_as_complex(pairs.view(rows, both, width // 2, 2)) * rotation
        pairs = torch.view_as_real(turned).view(rows, both, width)
        keys, values = said.update(
            pairs[:, own.heads :, None], flat[:, both * width :].view(rows, own.shared, 1, width)
        )
        queries = pairs[:, : own.heads].reshape(rows * own.shared, -1, width)
        of_prompt = torch.bmm(self._by_prompt(queries), prompts[0].transpose(1, 2))
        if self._hidden is not None:
            of_prompt += self._hidden
        own_scores = torch.bmm(queries, keys.flatten(0, 1).transpose(1, 2))
        scores = torch.cat([self._by_row(of_prompt, rows), own_scores], -1).softmax(-1)
        size = of_prompt.shape[-1]
        read = self._by_row(torch.bmm(self._by_prompt(scores[..., :size]), prompts[1]), rows)
        return torch.baddbmm(read, scores[..., size:], values.flatten(0, 1))

    def _by_prompt(self, rows: torch.Tensor) -> torch.Tensor:
        """(R * kv heads, group, D) -> (G * kv heads, n * group, D)."""
        shared, (_, group, size) = self._weights.shared, rows.shape
        table = rows.view(-1, shared, group, size)
        if self._grid is not None:
            table = table.index_select(0, self._grid[0])
        groups = self._prompts[0][0].shape[0] // shared
        return table.reshape(groups, -1, shared, group, size).transpose(1, 2).reshape(groups * shared, -1, size)

    def _by_row(self, table: torch.Tensor, rows: int) -> torch.Tensor:
        """The way back."""
        shared, size = self._weights.shared, table.shape[-1]
        group = self._weights.heads // shared
        groups = table.shape[0] // shared
        found = table.view(groups, shared, -1, group, size).transpose(1, 2).reshape(-1, shared, group, size)
        if self._grid is not None:
            found = found.index_select(0, self._grid[1])
        return found.reshape(rows * shared, group, size)


def _normed(x: torch.Tensor, eps: torch.Tensor) -> torch.Tensor:
    """`x / sqrt(|x|^2 + eps^2)` along the last axis: the root mean square norm, but for sqrt(n)."""
    normed: torch.Tensor = x / torch.linalg.vector_norm(x, dim=-1, keepdim=True).hypot(eps)
    return normed


def _prompt_states(caches: Sequence[Cache], weights: FlatWeights) -> list[tuple[torch.Tensor, torch.Tensor]]:
    """For each layer (G * kv heads, P, d) keys, their dimensions in pairs, and values."""
    found = []
    for parts in zip(*(cast(Any, cache.layers) for cache in caches), strict=True):
        keys, values = (torch.cat([getattr(part, name) for part in parts]).flatten(0, 1) for name in ("keys", "values"))
        halves = keys.reshape(*keys.shape[:-1], 2, weights.width // 2)
        found.append((halves.transpose(-1, -2).reshape(keys.shape), values.contiguous()))
    return found


def _rotations(weights: FlatWeights, positions: int) -> dict[str | None, torch.Tensor]:
    """(positions, d / 2) complex rotations of each kind, as the model's own module has them."""
    module, at = weights.model.get_decoder().rotary_emb, torch.arange(positions)[None]
    found = {}
    for kind in {layer.kind for layer in weights.layers}:
        given = (kind,) if weights.model.config.model_type == "gemma3_text" else ()
        cos, sin = module(torch.zeros(1, 1), at, *given)
        half = weights.width // 2
        found[kind] = torch.complex(cos[0, :, :half].contiguous(), sin[0, :, :half].contiguous())
    return found
