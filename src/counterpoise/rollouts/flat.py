"""One-token passes without the library's modules: few, fused operators on flat tensors, for the families whose layers are Llama's.

Each call of a sampler fuses the weights as they are then: query, key and value in one matrix, gate and up in another, the weights of the
norms before them and the scale of the queries multiplied in. Query and key dimensions are put in pairs, so that a rotation is one complex
product. A norm is `x / hypot(|x|, sqrt(n eps))`, with `sqrt(n)` in the weights behind it. One query a row attends by batched products, one
with its prompt's keys, read once for all rows of the prompt, and one with its own; heads of a group share keys without repeating them.

The numbers are those of the library's modules up to rounding; `decoding.proven` sees to that before the first rollout.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, cast

import torch
from torch import nn
from torch.nn import functional
from transformers import PreTrainedModel
from transformers.cache_utils import Cache

from counterpoise.rollouts.attention import BatchedAttention, normed
from counterpoise.rollouts.compiled import CompiledAttention, CompiledOperators, operators_for
from counterpoise.rollouts.factors import Factor
from counterpoise.rollouts.rope import rope_boundary

if TYPE_CHECKING:
    from counterpoise.rollouts.decoding import PromptBatch

__all__ = ["FlatLayer", "FlatState", "FlatWeights", "flat_weights"]

_NORM_OFFSETS = {"llama": 0.0, "qwen2": 0.0, "qwen3": 0.0, "mistral": 0.0, "gemma3_text": 1.0}
"""Families that are known, and what their norms add to their weights."""
_LARGEST = 2**31
"""Bytes of fused copies at most; models beyond are bound by their products, which are no faster here."""
_TWICE = 2**26
"""Bytes of a model at most whose smaller weights are kept in two forms, if rows are many."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FlatLayer:
    """Fused weights of one layer, as right factors, and their biases."""

    qkv: Factor
    qkv_bias: torch.Tensor | None
    out: Factor
    gate_up: Factor
    down: Factor
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
    layers: tuple[FlatLayer, ...]
    heads: int
    shared: int
    """Key and value heads."""
    width: int
    """Dimensions of a head."""
    eps: float
    final: torch.Tensor
    """(H,) weights of the last norm."""
    head: Factor
    head_bias: torch.Tensor | None
    window: int | None
    """Positions that a token sees, where some layer bounds them."""
    head_eps: torch.Tensor
    """sqrt(d eps), of the norms of queries and keys."""
    operators: CompiledOperators | None = None
    """Compiled operators, where they are asked for and the shape allows them."""

    def holds(self, positions: int) -> bool:
        """Whether rows of so many positions see all of themselves."""
        return self.window is None or positions <= self.window


def flat_weights(model: Any, *, compiled: bool = False) -> FlatWeights | None:
    """Fuse a model's weights as they are now; None where family, modules, device or dtype are not those of the flat pass.

    Args:
        model: the policy.
        compiled: attend, norm and gate by compiled operators, where heads and sizes allow it.

    Raises:
        UsageError: there is no C++ compiler, or it refuses.
    """
    config = getattr(model, "config", None)
    offset = _NORM_OFFSETS.get(getattr(config, "model_type", ""))
    if offset is None or not isinstance(model, PreTrainedModel) or not _plain(model):
        return None
    trunk: Any = model.get_decoder()  # type: ignore[no-untyped-call]
    head: Any = model.get_output_embeddings()  # type: ignore[no-untyped-call]
    text: Any = config
    size = sum(parameter.nbytes for parameter in model.parameters())
    if size > _LARGEST:
        return None
    factor = partial(Factor, twice=size <= _TWICE)
    first = trunk.layers[0].self_attn
    gates = [layer.mlp.gate_proj.out_features for layer in trunk.layers]
    return FlatWeights(
        model=model,
        layers=tuple(_fused(layer, offset, factor) for layer in trunk.layers),
        heads=text.num_attention_heads,
        shared=text.num_key_value_heads,
        width=first.head_dim,
        eps=text.rms_norm_eps,
        final=(trunk.norm.weight + offset) * math.sqrt(text.hidden_size),
        head=factor(head.weight),
        head_bias=head.bias,
        window=text.sliding_window if getattr(text, "sliding_window", None) else None,
        head_eps=torch.tensor(math.sqrt(first.head_dim * text.rms_norm_eps)),
        operators=operators_for(text, first.head_dim, gates) if compiled else None,
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


def _fused(layer: Any, offset: float, factor: Callable[[torch.Tensor], Factor]) -> FlatLayer:
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
    return FlatLayer(
        qkv=factor(torch.cat(weights) * ((layer.input_layernorm.weight + offset) * root)),
        qkv_bias=biases,
        out=factor(attention.o_proj.weight),
        gate_up=factor(
            torch.cat([mlp.gate_proj.weight, mlp.up_proj.weight]) * ((behind if before is None else before) * root)
        ),
        down=factor(mlp.down_proj.weight),
        qk_norm=qk_norm,
        after=after,
        kind=getattr(attention, "layer_type", None),
    )


class FlatState:
    """What a decode step needs of the live rows: keys and values of the prompts and of what they have said, and next positions.

    The rows of one prompt lie together, so that its keys are read once for all of them.
    """

    def __init__(
        self,
        weights: FlatWeights,
        batch: PromptBatch,
        repeats: int,
        steps: int,
        positions: int | None,
        widest: int | None = None,
    ) -> None:
        """Start with nothing said.

        Args:
            weights: of the model.
            batch: its prompts.
            repeats: rows of each.
            steps: tokens a row may say.
            positions: largest number of positions the model has; None when unbounded.
            widest: tokens of the longest prompt that will ever come; None where it is in the batch.
        """
        self._weights = weights
        self._next = batch.lengths.repeat_interleave(repeats)
        most = (widest or batch.width) + steps
        self._last = most if positions is None else positions - 1
        rotations = _rotations(weights, min(self._last, most) + 1)
        given = (weights, _prompt_states(batch.caches, weights), batch.width - batch.lengths, repeats, steps, rotations)
        self._operators = weights.operators
        self._attention = BatchedAttention(*given) if self._operators is None else CompiledAttention(*given)
        self._silu = _activation(weights.model.config) == "silu"
        trunk = weights.model.get_decoder()
        self._embed = trunk.embed_tokens
        self._eps = torch.tensor(math.sqrt(weights.final.shape[0] * weights.eps))

    def keep(self, index: torch.Tensor) -> None:
        """Drop every row but those at `index`, which ascends."""
        self._attention.keep(index)
        self._next = self._next[index]

    def rest(self, rows: torch.Tensor) -> None:
        """Spare (R,) rows that are true, of which nobody reads what they say; with compiled operators."""
        assert isinstance(self._attention, CompiledAttention)
        self._attention.rest(rows)

    def refill(self, places: torch.Tensor, batch: PromptBatch, repeats: int) -> None:
        """Let the rows at `places` be ones of other prompts, which have said nothing; with compiled operators."""
        assert isinstance(self._attention, CompiledAttention)
        pads = batch.width - batch.lengths
        self._attention.refill(places, _prompt_states(batch.caches, self._weights), pads, repeats)
        self._next[places] = batch.lengths.repeat_interleave(repeats)

    def advance(self, tokens: torch.Tensor) -> torch.Tensor:
        """(B, V) logits after appending one token to each row."""
        own = self._weights
        self._attention.turn_to(self._next.clamp(max=self._last))
        x: torch.Tensor = self._embed(tokens)
        delta: torch.Tensor | None = None
        for number, layer in enumerate(own.layers):
            flat = layer.qkv.times(self._added(x, delta))
            if layer.qkv_bias is not None:
                flat += layer.qkv_bias
            mixed = layer.out.times(self._attention.read(number, layer, flat))
            if layer.after is not None:
                mixed = normed(mixed, self._eps) * layer.after[0]
            delta = layer.down.times(self._gated(layer.gate_up.times(self._added(x, mixed))))
            if layer.after is not None:
                delta = normed(delta, self._eps) * layer.after[1]
        self._next = self._next + 1
        logits = own.head.times(self._added(x, delta) * own.final)
        return logits if own.head_bias is None else logits + own.head_bias

    def _added(self, x: torch.Tensor, delta: torch.Tensor | None) -> torch.Tensor:
        """The norm of `x` after `delta` was added to it in place."""
        if self._operators is not None:
            return self._operators.added(x, delta, float(self._eps))
        if delta is not None:
            x += delta
        return normed(x, self._eps)

    def _gated(self, both: torch.Tensor) -> torch.Tensor:
        """(R, I) `act(gate) * up` of (R, 2 I)."""
        if self._operators is not None and self._silu:
            return self._operators.gated(both)
        gate, up = both.chunk(2, 1)
        gate = functional.silu(gate) if self._silu else functional.gelu(gate, approximate="tanh")
        return gate.mul_(up)


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
