"""What the tensors and fields of each architecture are called in transformers, and whether a file has all of them; no torch."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from counterpoise.errors import ModelError
from counterpoise.models.gguf.header import Header

__all__ = ["ARCHITECTURES", "LLAMA_BLOCK", "Layout", "layout_of"]

_TOP: Final = {
    "token_embd.weight": "model.embed_tokens.weight",
    "output_norm.weight": "model.norm.weight",
    "output.weight": "lm_head.weight",
}
LLAMA_BLOCK: Final = {
    "attn_norm": "input_layernorm",
    "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj",
    "ffn_norm": "post_attention_layernorm",
    "ffn_gate": "mlp.gate_proj",
    "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj",
}
"""Tensors of a block of Llama, by their name in GGUF."""
_HEAD_NORMS: Final = {"attn_q_norm": "self_attn.q_norm", "attn_k_norm": "self_attn.k_norm"}
_GEMMA: Final = {
    "post_attention_norm": "post_attention_layernorm",
    "ffn_norm": "pre_feedforward_layernorm",
    "post_ffw_norm": "post_feedforward_layernorm",
}
_PARTS: Final[Mapping[str, Mapping[str, str]]] = {
    "llama": LLAMA_BLOCK,
    "qwen2": LLAMA_BLOCK,
    "qwen3": LLAMA_BLOCK | _HEAD_NORMS,
    "gemma3": LLAMA_BLOCK | _HEAD_NORMS | _GEMMA,
}
ARCHITECTURES: Final = tuple(_PARTS)
"""What is read."""

_NAME: Final = re.compile(r"blk\.(\d{1,6})\.(\w+)\.(weight|bias)")
_ROPE_FREQS: Final = "rope_freqs.weight"
_GEMMA_27B_LAYERS: Final = 62  # llama.cpp tells it by them, and scales its queries by hidden size over heads
_GEMMA_LOCAL_BASE: Final = 10_000.0
_GEMMA_PERIOD: Final = 6  # every sixth layer sees everything; llama.cpp holds it fixed


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """How a file becomes a model of transformers."""

    config: Mapping[str, Any]
    """Arguments of the configuration's class."""
    names: Mapping[str, str]
    """Name in the file -> name in the model."""
    permuted: Mapping[str, int]
    """Tensors whose rows llama.cpp keeps as neighbouring rotary pairs, with their heads."""
    less_one: frozenset[str]
    """Norms that the file holds one higher than the model does."""
    rope_freqs: bool
    """Whether the file has factors of rotary frequencies, from which the scaling is to be found."""


def layout_of(header: Header) -> Layout:
    """Map fields and tensors, and see that none is missing, left over or of another shape.

    Raises:
        ModelError: another architecture, a field that is missing or makes no sense, or tensors that do not belong to it.
    """
    name = header.architecture
    if name not in _PARTS:
        raise header.refuse(
            f"holds a model of architecture {name[:60]!r}; what is read: {', '.join(ARCHITECTURES)}. Give a model that transformers loads "
            "instead, by directory or hub id"
        )
    if header.fields.get(f"{name}.expert_count"):
        raise header.refuse(
            f"is a mixture of experts, which is not read of {name}; give the model's directory or hub id"
        )
    shape = _config(header, name)
    layers, heads, keys = shape["num_hidden_layers"], shape["num_attention_heads"], shape["num_key_value_heads"]
    biases = name == "qwen2" or (name == "llama" and "blk.0.attn_q.bias" in header.tensors)
    if name == "llama":
        shape["attention_bias"] = biases
    parts, expected = _PARTS[name], _shapes(shape)
    names, wanted = {key: _TOP[key] for key in _TOP}, {key: expected[key] for key in _TOP}
    if "output.weight" not in header.tensors:
        del names["output.weight"], wanted["output.weight"]
    shape["tie_word_embeddings"] = "output.weight" not in names
    biased = ("attn_q", "attn_k", "attn_v") + (("attn_output",) if name == "llama" else ())
    for block in range(layers):
        for part, inner in parts.items():
            names[f"blk.{block}.{part}.weight"] = f"model.layers.{block}.{inner}.weight"
            wanted[f"blk.{block}.{part}.weight"] = expected[part]
            if biases and part in biased:
                names[f"blk.{block}.{part}.bias"] = f"model.layers.{block}.{inner}.bias"
                wanted[f"blk.{block}.{part}.bias"] = expected[part][:1]
    _compare(header, wanted)
    permuted = {}
    if name == "llama":
        of_part = {"attn_q": heads, "attn_k": keys}
        permuted = {key: of_part[found[2]] for key in names if (found := _NAME.fullmatch(key)) and found[2] in of_part}
    less = frozenset(key for key in names if name == "gemma3" and key.endswith("norm.weight"))
    return Layout(config=shape, names=names, permuted=permuted, less_one=less, rope_freqs=_ROPE_FREQS in header.tensors)


def _compare(header: Header, wanted: Mapping[str, tuple[int, ...]]) -> None:
    extra = [key for key in header.tensors if key not in wanted]
    if header.architecture == "llama" and _ROPE_FREQS in extra:
        extra.remove(_ROPE_FREQS)
    missing = [key for key in wanted if key not in header.tensors]
    for keys, what in ((missing, "lacks"), (extra, "has, beyond the architecture,")):
        if keys:
            raise header.refuse(
                f"{what} {len(keys)} of the tensors of {header.architecture} (first: {keys[0][:80]}); it is not a whole model of that kind"
            )
    for key, shape in wanted.items():
        if header.tensors[key].shape != shape:
            raise header.refuse(
                f"{key} has the shape {header.tensors[key].shape}, and its fields make it {shape}; download it again"
            )


def _shapes(config: Mapping[str, Any]) -> dict[str, tuple[int, ...]]:
    hidden, inner, size = config["hidden_size"], config["intermediate_size"], config["head_dim"]
    queries, keys = config["num_attention_heads"] * size, config["num_key_value_heads"] * size
    rows = (config["vocab_size"], hidden)
    return {
        "token_embd.weight": rows,
        "output.weight": rows,
        "output_norm.weight": (hidden,),
        **dict.fromkeys(("attn_norm", "ffn_norm", "post_attention_norm", "post_ffw_norm"), (hidden,)),
        **dict.fromkeys(("attn_q_norm", "attn_k_norm"), (size,)),
        "attn_q": (queries, hidden),
        "attn_k": (keys, hidden),
        "attn_v": (keys, hidden),
        "attn_output": (hidden, queries),
        "ffn_gate": (inner, hidden),
        "ffn_up": (inner, hidden),
        "ffn_down": (hidden, inner),
    }


def _config(header: Header, name: str) -> dict[str, Any]:
    hidden, heads = _count(header, "embedding_length"), _count(header, "attention.head_count")
    embedding = header.tensors.get("token_embd.weight")
    if embedding is None:
        raise header.refuse(
            "has no tensor token_embd.weight, so it is not a whole model; take the file of the language model"
        )
    size = _count(header, "attention.key_length", _count(header, "rope.dimension_count", max(1, hidden // heads)))
    layers = _count(header, "block_count")
    keys = _count(header, "attention.head_count_kv", heads)
    if heads % keys or size % 2 or layers > len(header.tensors):
        raise header.refuse(f"its fields make no model: {layers} layers, {heads} heads, {keys} of keys, {size} wide")
    made = {
        "vocab_size": embedding.shape[0],
        "hidden_size": hidden,
        "intermediate_size": _count(header, "feed_forward_length"),
        "num_hidden_layers": layers,
        "num_attention_heads": heads,
        "num_key_value_heads": keys,
        "head_dim": size,
        "max_position_embeddings": _count(header, "context_length"),
        # Stored as float32; the published values are 1e-5 and 1e-6.
        "rms_norm_eps": round(_number(header, "attention.layer_norm_rms_epsilon"), 9),
    }
    base = _number(header, "rope.freq_base", 1_000_000.0 if name == "gemma3" else 10_000.0)
    rope = _rope(header, base)
    if name != "gemma3":
        return {**made, "rope_parameters": rope}
    window = _count(header, "attention.sliding_window")
    kinds = ["full_attention" if (layer + 1) % _GEMMA_PERIOD == 0 else "sliding_attention" for layer in range(layers)]
    local = {"rope_type": "default", "rope_theta": _GEMMA_LOCAL_BASE}
    scale = hidden // heads if layers == _GEMMA_27B_LAYERS else size
    return {
        **made,
        "rope_parameters": {"full_attention": rope, "sliding_attention": local},
        "sliding_window": window,
        "layer_types": kinds,
        "query_pre_attn_scalar": scale,
    }


def _rope(header: Header, base: float) -> dict[str, Any]:
    kind = header.fields.get(f"{header.architecture}.rope.scaling.type", "none")
    if kind == "linear":
        return {"rope_type": "linear", "rope_theta": base, "factor": _number(header, "rope.scaling.factor")}
    if kind != "none":
        raise header.refuse(
            f"scales its positions by {str(kind)[:40]!r}, and none and linear are read; give the model's directory or hub id"
        )
    return {"rope_type": "default", "rope_theta": base}


def _count(header: Header, key: str, default: int | None = None) -> int:
    value = header.fields.get(f"{header.architecture}.{key}", default)
    if not isinstance(value, int) or isinstance(value, bool) or not 0 < value < 1 << 31:
        raise _field(header, key, value, "a whole number above 0")
    return value


def _number(header: Header, key: str, default: float | None = None) -> float:
    value = header.fields.get(f"{header.architecture}.{key}", default)
    if not isinstance(value, (int, float)) or not math.isfinite(value) or value <= 0:
        raise _field(header, key, value, "a number above 0")
    return float(value)


def _field(header: Header, key: str, value: Any, wanted: str) -> ModelError:
    found = "is not there" if value is None else f"is {str(value)[:40]}"
    return header.refuse(
        f"the field {header.architecture}.{key} {found}, and must be {wanted}; download the file again"
    )
