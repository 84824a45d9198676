"""Rotary embeddings whose frequencies follow the length of what is read: keys cached below the boundary are wrong above it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from transformers import PreTrainedConfig

from counterpoise.errors import ModelError
from counterpoise.types import Prompt

__all__ = ["check_rope", "rope_boundary"]


def rope_boundary(config: PreTrainedConfig) -> tuple[str, int] | None:
    """Kind of rotary embedding, and the longest row that it reads with the frequencies of a short one; None where length changes nothing.

    `longrope` (`su` in older files) takes its long factors, for every position, as soon as one row of a batch is longer than
    `original_max_position_embeddings`; `dynamic` computes new frequencies beyond `max_position_embeddings`. `linear`, `yarn`, `llama3` and
    `proportional` have one set of frequencies.
    """
    text = config.get_text_config(decoder=True)
    known: Any = getattr(text, "rope_parameters", None) or getattr(text, "rope_scaling", None)
    limit = getattr(text, "max_position_embeddings", None)
    found = []
    for rope in _ropes(known):
        kind = str(rope.get("rope_type", rope.get("type", "default")))
        if kind in ("longrope", "su"):
            original = rope.get("original_max_position_embeddings")
            original = original or getattr(text, "original_max_position_embeddings", None) or limit
        elif "dynamic" in kind:
            original = limit
        else:
            continue
        if original:
            found.append((kind, int(original)))
    return min(found, key=lambda entry: entry[1], default=None)


def check_rope(config: PreTrainedConfig, prompts: Sequence[Prompt], max_tokens: int) -> None:
    """See that no row of a call crosses the boundary: the rows stay below it to their last token, or all prompts are past it.

    The rule holds for the call and not for the row, because the learner reads rows of one call in one batch, and the longest decides.

    Args:
        config: the model's configuration.
        prompts: of one call.
        max_tokens: response tokens at most.

    Raises:
        ModelError: a row could cross it.
    """
    boundary = rope_boundary(config)
    if boundary is None or not prompts:
        return
    kind, length = boundary
    positions = getattr(config.get_text_config(decoder=True), "max_position_embeddings", None) or length + max_tokens
    longest = max(prompts, key=lambda prompt: len(prompt.token_ids))
    tokens = len(longest.token_ids)
    # the last token drawn is never read
    reached = min(tokens + max_tokens, positions) - 1
    if reached <= length or min(len(prompt.token_ids) for prompt in prompts) > length:
        return
    room = length + 1 - tokens
    way = f"lower max_tokens to {room}" if room > 0 else "leave out problems with long prompts"
    raise ModelError(
        f"'{config.model_type}' has '{kind}' rotary embeddings, which change every frequency once a row is longer than {length} tokens, "
        f"while the keys cached before keep the old ones: sampler and learner would disagree. The prompt of problem "
        f"'{longest.problem.problem_id}' has {tokens} tokens, and with max_tokens={max_tokens} its row can reach {reached}; {way}"
    )


def _ropes(known: Any) -> Iterator[Mapping[str, Any]]:
    """One set of parameters, or one for each kind of layer."""
    if not isinstance(known, Mapping):
        return
    if not any(isinstance(value, Mapping) for value in known.values()):
        yield known
        return
    for value in known.values():
        yield from _ropes(value)
