"""Memory and arithmetic of a run on accelerators, from a model's shape: formulas, computed and not measured. No torch."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from counterpoise.files import JsonFault, read_json

__all__ = [
    "GIB",
    "Decoder",
    "Load",
    "draw_seconds",
    "parameters_named",
    "rows_at_once",
    "sampler_bytes",
    "sampler_ranks",
    "shape_of",
    "train_flops",
    "trainer_bytes",
]

GIB = 2**30
_ADAM = 16
"""Bytes a parameter: float32 weights, gradient, and AdamW's two moments."""
_BF16 = 2
_ACTIVATIONS = 34
"""Bytes of a layer's activations for a token and a hidden unit in bf16 without attention's scores: arXiv 2205.05198, eq. (2)."""
_LOGITS = 10
"""Bytes for a token and an entry of the vocabulary: bf16 logits, float32 log-probabilities and their gradient."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Decoder:
    """A decoder, as its config.json has it."""

    hidden: int
    """Width."""
    layers: int
    """Depth."""
    vocabulary: int
    """Tokens."""
    feed_forward: int
    """Width of a layer's gated feed-forward part."""
    heads: int
    """Attention heads."""
    key_value_heads: int
    """Those of keys and values."""
    head: int
    """Width of a head."""
    tied: bool
    """Whether embedding and output are one matrix."""
    positions: int | None = None
    """Tokens that prompt and response may have together; None is unknown."""

    @property
    def layer_parameters(self) -> int:
        """`2 h q + 2 h kv + 3 h f`: queries and output, keys and values, gate, up and down; norms and biases are left out."""
        attention = 2 * self.hidden * self.head * (self.heads + self.key_value_heads)
        return attention + 3 * self.hidden * self.feed_forward

    @property
    def parameters(self) -> int:
        """Of all layers, the embedding, and the output where it is another matrix."""
        embeddings = self.hidden * self.vocabulary * (1 if self.tied else 2)
        return self.layers * self.layer_parameters + embeddings

    @property
    def cache_bytes(self) -> int:
        """Bytes of keys and values of one token, in bf16: `2 * layers * kv heads * head * 2`."""
        return 2 * self.layers * self.key_value_heads * self.head * _BF16


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """What a run asks of the machine."""

    prompts: int
    """Of a step."""
    group: int
    """Responses to each."""
    prompt_tokens: int
    """At most."""
    response_tokens: int
    """At most."""
    microbatch: int
    """Tokens of one forward pass of one GPU."""
    reference: bool = False
    """A frozen base beside the policy (loss.kl)."""
    critic: bool = False
    """A critic of the policy's size, with its optimiser."""
    adapters: bool = False
    """Low-rank adapters are trained, on a base that stands still."""
    checkpointing: bool = True
    """Activations are recomputed in the backward pass."""


def shape_of(model: str) -> Decoder | None:
    """The shape in a model directory's config.json; None where it is not here or is not a decoder of this kind."""
    path = Path(model).expanduser() / "config.json"
    try:
        config = read_json(path)
    except (OSError, JsonFault, ValueError):
        return None
    inner = config.get("text_config")
    return _shape(inner if isinstance(inner, Mapping) else config)


def _shape(config: Mapping[str, Any]) -> Decoder | None:
    try:
        hidden, heads = int(config["hidden_size"]), int(config["num_attention_heads"])
        return Decoder(
            hidden=hidden,
            layers=int(config["num_hidden_layers"]),
            vocabulary=int(config["vocab_size"]),
            feed_forward=int(config["intermediate_size"]),
            heads=heads,
            key_value_heads=int(config.get("num_key_value_heads") or heads),
            head=int(config.get("head_dim") or hidden // heads),
            tied=bool(config.get("tie_word_embeddings", False)),
            positions=config.get("max_position_embeddings"),
        )
    except (KeyError, TypeError, ValueError, ZeroDivisionError):
        return None


def parameters_named(model: str) -> int | None:
    """Parameters that a name speaks of, as `Qwen3-4B` does; None where it does not."""
    found = re.findall(r"(?<![\w.])(\d+(?:\.\d+)?)[bB](?![a-zA-Z])", model.replace("-", " ").replace("_", " "))
    return int(float(found[-1]) * 1e9) if found else None


def trainer_bytes(shape: Decoder, load: Load, *, ranks: int) -> float:
    """Bytes on one of `ranks` GPUs while it trains with FSDP, full fine-tuning, AdamW in float32 and passes in bf16.

    `16 P / R` of weights, gradient and moments (`4 P / R` under adapters, whose own are left out), `16 P / R` more for a critic, `4 P / R`
    for a float32 reference; the largest unit that is gathered whole, twice 2 bytes of a layer or of an embedding; activations `2 h L t`
    with recomputation (one layer's `34 h t` besides) or `34 h L t` without; logits `10 V t`, for the t tokens of a microbatch.
    """
    policy = 4 if load.adapters else _ADAM
    states = shape.parameters / ranks * (policy + (_ADAM if load.critic else 0) + (4 if load.reference else 0))
    gathered = 0 if ranks == 1 else 2 * _BF16 * max(shape.layer_parameters, shape.hidden * shape.vocabulary)
    tokens = max(load.microbatch, load.prompt_tokens + load.response_tokens)
    layer = _ACTIVATIONS * shape.hidden * tokens
    kept = _BF16 * shape.hidden * shape.layers * tokens + layer if load.checkpointing else layer * shape.layers
    return float(states + gathered + kept + _LOGITS * shape.vocabulary * tokens)


def sampler_bytes(shape: Decoder, load: Load, *, ranks: int, rows: int) -> float:
    """Bytes on one of `ranks` GPUs that hold a sampler together, with `rows` responses drawn at once.

    `2 P / R` of bf16 weights and `2 * layers * kv heads * head * 2` bytes of cache for every token of prompt and response, over R. A prompt
    is in the cache once for its whole group.
    """
    tokens = rows * (load.response_tokens + load.prompt_tokens / load.group)
    return (_BF16 * shape.parameters + shape.cache_bytes * tokens) / ranks


def sampler_ranks(parameters: int, *, gpus: int, memory: float) -> int:
    """GPUs that share a sampler: the least power of two whose share of bf16 weights fits into a quarter of a card, at most `gpus`."""
    ranks = 1
    while ranks * 2 <= gpus and gpus % (ranks * 2) == 0 and _BF16 * parameters / ranks > memory / 4:
        ranks *= 2
    return ranks


def rows_at_once(shape: Decoder, load: Load, *, ranks: int, memory: float) -> int:
    """Responses of full length that a sampler on `ranks` GPUs draws at once in `memory` bytes of each: what weights leave; 1 or more."""
    each = sampler_bytes(shape, load, ranks=ranks, rows=1) - sampler_bytes(shape, load, ranks=ranks, rows=0)
    return max(1, int((memory - sampler_bytes(shape, load, ranks=ranks, rows=0)) / each))


def draw_seconds(
    shape: Decoder, load: Load, *, responses: int, gpus: int, ranks: int, memory: float, bandwidth: float
) -> float:
    """Seconds to draw so many responses of full length on `gpus` GPUs: decoding reads, it hardly computes.

    A token of `r` rows reads `(2 P + r c s) / R` bytes on each of R GPUs, with c bytes of cache a token and the mean context
    `s = prompt + response / 2`; a response takes as many of them as it has tokens, and what does not fit at once waits for its turn.

    Args:
        shape: the model.
        load: lengths.
        responses: all of them.
        gpus: all of them, in `gpus / ranks` samplers.
        ranks: GPUs that share a sampler.
        memory: bytes of each GPU for weights and cache.
        bandwidth: bytes a second that a GPU reads.
    """
    each = math.ceil(responses / (gpus // ranks))
    rows = min(each, rows_at_once(shape, load, ranks=ranks, memory=memory))
    context = load.prompt_tokens + load.response_tokens / 2
    read = (_BF16 * shape.parameters + rows * shape.cache_bytes * context) / ranks
    return math.ceil(each / rows) * load.response_tokens * read / bandwidth


def train_flops(shape: Decoder, load: Load, *, epochs: int = 1) -> float:
    """Floating-point operations of a step's passes, without drawing, if every response has its full length and credit.

    `2 P` a token for old log-probabilities, `2 P` for a reference, `6 P` for forward and backward in each epoch and `2 P` more where
    activations are recomputed; as much as the policy's update and `2 P` for a critic. Attention's `4 h L s` a token with s the mean context
    is left out (arXiv 2001.08361).
    """
    tokens = load.prompts * load.group * (load.prompt_tokens + load.response_tokens)
    update = epochs * (8 if load.checkpointing else 6)
    values = 2 + update if load.critic else 0
    return float(shape.parameters * tokens * (2 + (2 if load.reference else 0) + update + values))
