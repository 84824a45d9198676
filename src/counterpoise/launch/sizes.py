"""Memory and arithmetic of a run on accelerators, from a model's shape: formulas, computed and not measured. No torch."""

from __future__ import annotations

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
    "parameters_named",
    "sampler_ranks",
    "shape_of",
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


def sampler_ranks(parameters: int, *, gpus: int, memory: float) -> int:
    """GPUs that share a sampler: the least power of two whose share of bf16 weights fits into a quarter of a card, at most `gpus`."""
    ranks = 1
    while ranks * 2 <= gpus and gpus % (ranks * 2) == 0 and _BF16 * parameters / ranks > memory / 4:
        ranks *= 2
    return ranks
