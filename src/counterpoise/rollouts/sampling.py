"""Drawing one token per row: exact log-probabilities, exact top-k and top-p, one uniform number per token.

The uniform numbers of a rollout depend on the seed, the problem and the rollout's number alone, never on the rows it
happens to share a batch with. That is what makes a rollout reproducible under another batch size.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch

from counterpoise.errors import DataError, UsageError
from counterpoise.streams import stream
from counterpoise.types import Prompt, SamplingSettings

__all__ = ["check_prompt", "check_request", "draw", "entropy_and_slope", "inverse_cdf", "row_uniforms", "truncate"]

_BLOCK = 256
_FIRST_CANDIDATES = 256


def check_request(settings: SamplingSettings, group_size: int) -> None:
    """Refuse settings that describe no distribution.

    Raises:
        UsageError: a value is outside its range; the message names it, the range and the off switch.
    """
    if group_size < 1:
        raise UsageError(f"group_size is {group_size}; draw at least 1 rollout per prompt")
    if not (settings.temperature >= 0 and np.isfinite(settings.temperature)):
        raise UsageError(f"temperature is {settings.temperature}; use a finite number >= 0 (0 is greedy)")
    if not 0 < settings.top_p <= 1:
        raise UsageError(f"top_p is {settings.top_p}; use a number in (0, 1] (1 switches it off)")
    if settings.top_k < 0:
        raise UsageError(f"top_k is {settings.top_k}; use a count >= 0 (0 switches it off)")
    if settings.max_tokens < 1:
        raise UsageError(f"max_tokens is {settings.max_tokens}; allow at least 1 response token")
    if "" in settings.stop:
        raise UsageError("stop holds the empty string, which ends every response at once; remove it")


def check_prompt(prompt: Prompt, *, positions: int | None, vocabulary: int) -> None:
    """Refuse a prompt that a model cannot go on with.

    Raises:
        DataError: it is empty, fills the model's positions, or holds an id outside the vocabulary.
    """
    ids, name = prompt.token_ids, prompt.problem.problem_id
    if len(ids) == 0:
        raise DataError(f"the prompt of problem '{name}' has no tokens; give its template some text")
    if positions is not None and len(ids) >= positions:
        raise DataError(
            f"the prompt of problem '{name}' has {len(ids)} tokens and the model has {positions} positions, "
            "which leaves none for a response; shorten or drop the problem, or use a model with a longer context"
        )
    if int(ids.min()) < 0 or int(ids.max()) >= vocabulary:
        raise DataError(
            f"the prompt of problem '{name}' holds token id {int(ids.max() if ids.min() >= 0 else ids.min())}, outside "
            f"the model's vocabulary of {vocabulary}; tokenize it with the model's own tokenizer"
        )


def row_uniforms(seed: int, rows: Sequence[tuple[str, int, int]], max_tokens: int) -> npt.NDArray[np.float64]:
    """(rows, max_tokens) uniforms in [0, 1); row `(problem_id, occurrence, rollout)` reads its own stream.

    A row's first n numbers do not depend on `max_tokens`, so a longer limit continues the same rollouts.
    `occurrence` counts equal problem ids within one call, so that a problem asked twice is not answered twice alike.
    """
    uniforms = np.empty((len(rows), max_tokens))
    # One counter-based generator, set to (problem, rollout) for each row: making a fresh one costs several times the draw.
    bits = np.random.Philox(key=0)
    generator = np.random.Generator(bits)
    fresh = bits.state
    keys: dict[tuple[str, int], int] = {}
    for index, (problem_id, occurrence, rollout) in enumerate(rows):
        name = (problem_id, occurrence)
        if name not in keys:
            keys[name] = stream(seed, "rollout", problem_id, occurrence)
        fresh["state"]["key"][0] = keys[name]
        fresh["state"]["counter"][1] = rollout
        bits.state = fresh
        generator.random(out=uniforms[index])
    return uniforms


def draw(logits: torch.Tensor, uniforms: torch.Tensor, settings: SamplingSettings) -> tuple[torch.Tensor, torch.Tensor]:
    """One token per row and its log-probability under the policy.

    With `p = softmax(logits / temperature)` in float32 the token is drawn from p cut to top-k, then to top-p, then
    renormalised; the log-probability is `log p[token]`, uncut. Temperature 0 takes the largest logit (the lowest id
    among equals) and reports log-probabilities at temperature 1.

    Args:
        logits: (B, V) in any float dtype; `-inf` marks tokens the policy never says.
        uniforms: (B,) in [0, 1); unused when greedy.
        settings: temperature, top_k, top_p.

    Returns:
        (B,) int64 tokens and (B,) float32 natural log-probabilities. A row with NaN, `+inf` or only `-inf` logits
        gets a NaN log-probability and an arbitrary valid token; the caller decides what that means.
    """
    scaled = logits.float()
    if settings.temperature not in (0.0, 1.0):
        scaled = scaled / settings.temperature
    vocabulary = scaled.shape[-1]
    top = scaled.amax(-1, keepdim=True)
    # Rows are padded to whole blocks once, here, so that the two-level CDF is a view and never a copy.
    padded = vocabulary if vocabulary <= 2 * _BLOCK else -(-vocabulary // _BLOCK) * _BLOCK
    weights = torch.empty((scaled.shape[0], padded), dtype=torch.float32, device=scaled.device)
    torch.sub(scaled, top, out=weights[:, :vocabulary])
    weights[:, vocabulary:] = -torch.inf
    weights.exp_()
    totals = _block_sums(weights).sum(-1)
    if settings.temperature == 0:
        tokens = scaled.argmax(-1)
    else:
        proposal = truncate(weights, top_k=settings.top_k, top_p=settings.top_p)
        # A NaN row sends the search past the end; the clamp keeps the gather below legal and its NaN visible.
        tokens = inverse_cdf(proposal, uniforms).clamp_(max=vocabulary - 1)
    chosen = scaled.gather(-1, tokens[:, None])[:, 0] - top[:, 0]
    return tokens, (chosen - totals.log()).float()


def entropy_and_slope(
    logits: torch.Tensor, tokens: torch.Tensor, settings: SamplingSettings
) -> tuple[torch.Tensor, torch.Tensor]:
    """Entropy of each row's distribution, and how it answers to a push on the row's token.

    With `p = softmax(logits / temperature)`, the distribution whose log-probabilities `draw` returns: `H = -sum_v p_v log p_v` and
    `S = p_y (log p_y + H) - sum_v p_v^2 (log p_v + H)`. A gradient step that lowers `log p_y` by its logits alone changes H by a positive
    multiple of S to first order (`credit.token_weights.entropy_safe` derives it).

    Args:
        logits: (B, V) in any float dtype; `-inf` marks tokens the policy never says.
        tokens: (B,) int64 chosen tokens y.
        settings: whose temperature; 0 counts as 1, as in `draw`.

    Returns:
        (B,) float32 H in nats and (B,) float32 S.
    """
    scaled = logits.float() / (settings.temperature or 1.0)
    log_p = torch.log_softmax(scaled, dim=-1)
    p = log_p.exp()
    log_p = log_p.where(p > 0, 0.0)  # 0 log 0 = 0
    entropy = -(p * log_p).sum(-1)
    log_p += entropy[:, None]
    chosen = (p * log_p).gather(-1, tokens[:, None])[:, 0]
    return entropy, chosen - (p * p * log_p).sum(-1)


def inverse_cdf(weights: torch.Tensor, uniforms: torch.Tensor) -> torch.Tensor:
    """(B,) int64: the first index whose cumulative weight exceeds `u * total`; a zero weight is never chosen.

    Wide rows (a multiple of 256) go in two levels: first the block, by block sums, then the token inside its block.
    Only the chosen block is accumulated one by one, which is what a full cumulative sum or `torch.multinomial` over
    a large vocabulary wastes its time on. Sums and CDF are float64 where the device has it.

    Args:
        weights: (B, V) float32, >= 0, with a positive sum; not necessarily normalised.
        uniforms: (B,) in [0, 1).
    """
    if weights.shape[-1] <= 2 * _BLOCK or weights.shape[-1] % _BLOCK:
        return _search(weights, uniforms)
    sums = _block_sums(weights)
    cumulative = sums.cumsum(-1)
    target = _below_one(uniforms, sums.dtype) * cumulative[:, -1]
    block = torch.searchsorted(cumulative, target[:, None], right=True).clamp_(max=sums.shape[-1] - 1)
    size = sums.gather(-1, block)[:, 0]
    rest = (target - (cumulative.gather(-1, block)[:, 0] - size)) / size
    inside = weights.view(weights.shape[0], -1, _BLOCK)[
        torch.arange(weights.shape[0], device=weights.device), block[:, 0]
    ]
    return block[:, 0] * _BLOCK + _search(inside, rest.clamp(min=0))


def truncate(weights: torch.Tensor, *, top_k: int, top_p: float) -> torch.Tensor:
    """(B, V) weights with everything outside top-k, then outside the nucleus of what is left, set to zero.

    Top-k keeps v when fewer than k weights are larger than v's. The nucleus keeps v when the weights larger than v's
    sum to less than `top_p` of the mass. Equal weights stay or go together, so neither depends on the order of a
    sort; with ties more than k tokens can stay (as in transformers).
    """
    width = weights.shape[-1]
    if 0 < top_k < width:
        threshold = weights.topk(top_k, dim=-1).values[:, -1:]
        weights = weights.where(weights >= threshold, 0.0)
    if top_p >= 1:
        return weights
    wide = _wide(weights)
    target = top_p * weights.sum(-1, keepdim=True, dtype=wide)
    # A nucleus is nearly always a few tokens: sort those, and more only where they do not hold enough mass.
    count = min(width, _FIRST_CANDIDATES)
    while True:
        ordered = weights.topk(count, dim=-1).values
        cumulative = ordered.cumsum(-1, dtype=wide)
        if count == width or bool((cumulative[:, -1:] >= target).all()):
            break
        count = min(width, 8 * count)
    above = torch.nn.functional.pad(cumulative[:, :-1], (1, 0))
    threshold = ordered.where(above < target, torch.inf).amin(-1, keepdim=True)
    return weights.where(weights >= threshold, 0.0)


def _wide(tensor: torch.Tensor) -> torch.dtype:
    """float64, or float32 on Apple's GPU, which has nothing wider."""
    return torch.float32 if tensor.device.type == "mps" else torch.float64


def _block_sums(weights: torch.Tensor) -> torch.Tensor:
    """(B, blocks): block sums in float32, handed on in float64 so that adding them up loses nothing more."""
    width = weights.shape[-1]
    if width <= 2 * _BLOCK or width % _BLOCK:
        return weights.sum(-1, keepdim=True, dtype=_wide(weights))
    return weights.view(weights.shape[0], -1, _BLOCK).sum(-1).to(_wide(weights))


def _below_one(uniforms: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
    """The uniforms, kept so far under 1 that `u * total` rounds to less than the total."""
    return uniforms.to(dtype).clamp(max=1 - torch.finfo(dtype).eps)


def _search(weights: torch.Tensor, uniforms: torch.Tensor) -> torch.Tensor:
    cumulative = weights.cumsum(-1, dtype=_wide(weights))
    target = _below_one(uniforms, cumulative.dtype) * cumulative[:, -1]
    return torch.searchsorted(cumulative, target[:, None], right=True)[:, 0]
