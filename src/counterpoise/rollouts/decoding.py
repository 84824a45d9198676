"""The decode loop: one prefill per prompt, its cache spread over the group, one token per live row and step.

The loop works on whole tensors and talks to the host once per check (every step on a CPU, where that is free, every
eighth on an accelerator). Rows that have finished go on being computed until a quarter of the batch has; then they are
dropped. What they drew after their end is cut off afterwards, so neither the check interval nor the compaction can
change a rollout.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from transformers import PreTrainedModel
from transformers.cache_utils import Cache

from counterpoise.errors import ModelError
from counterpoise.rollouts.cache import PreallocatedCache, expand, new_cache, select_rows
from counterpoise.rollouts.factors import spare_rows
from counterpoise.rollouts.flat import FlatState, FlatWeights, flat_weights
from counterpoise.rollouts.sampling import draw, entropy_and_slope
from counterpoise.rollouts.stopping import StopStrings
from counterpoise.types import SamplingSettings

__all__ = ["Decoded", "OnEnded", "PromptBatch", "cut", "decode", "inferring", "prefill", "proven", "staying"]

_COMPACT_SHARE = 0.25
_PREFILL_TOKENS = 8192
_ALIKE = 1e-4
"""2-norm of the difference of two rows of logits over that of the row, at most, for one to be taken for the other."""
# Families checked to take a finished (B, 1, Q, K) mask as it is; all others get the (B, K) padding mask, from which
# transformers builds its own at every step (and ALiBi models their positions).
_TAKES_FINISHED_MASK = frozenset({"llama", "mistral", "qwen2", "qwen3", "smollm3"})


@dataclass(frozen=True, slots=True, kw_only=True)
class PromptBatch:
    """Prompts after one forward pass, padded on the left to the longest."""

    model: PreTrainedModel
    """The policy."""
    caches: Sequence[Cache]
    """Keys and values of consecutive shares of the prompts, all of the same length."""
    logits: torch.Tensor
    """(B, V) logits of the first response token."""
    lengths: torch.Tensor
    """(B,) prompt tokens of each row, padding excluded."""
    width: int
    """Prompt tokens of each row, padding included."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Decoded:
    """Responses of R rows as they were drawn; what lies behind `lengths` is meaningless."""

    tokens: npt.NDArray[np.int64]
    """(R, T) ids."""
    log_probs: npt.NDArray[np.float32]
    """(R, T) log-probabilities of the ids."""
    lengths: npt.NDArray[np.int64]
    """(R,) response tokens."""
    stopped: npt.NDArray[np.bool_]
    """(R,) a stop string ended the row."""
    non_finite: npt.NDArray[np.int64]
    """(R,) number (from 1) of the first token whose logits were not finite; 0 where there was none."""
    entropies: npt.NDArray[np.float32] | None = None
    """(2, R, T) entropy and its slope (`sampling.entropy_and_slope`), where the settings ask for them."""


OnEnded = Callable[[npt.NDArray[np.int64], Decoded], None]
"""Given the (R,) numbers of the rows that left a batch, and what was drawn for them."""


@contextmanager
def inferring(model: torch.nn.Module) -> Iterator[None]:
    """Dropout off and no autograd inside; afterwards every submodule is in the mode it was in before."""
    training = [module for module in model.modules() if module.training]
    model.eval()
    try:
        with torch.inference_mode():
            yield
    finally:
        for module in training:
            module.training = True


def prefill(model: PreTrainedModel, prompts: Sequence[npt.NDArray[np.int64]], device: torch.device) -> PromptBatch:
    """Run each prompt once, left-padded, in shares of at most 8192 tokens where the cache allows it.

    Raises:
        ModelError: the model keeps a state that is not a key/value cache (see `cache.new_cache`), or ignores the cache.
    """
    width = max(len(prompt) for prompt in prompts)
    padded = np.zeros((len(prompts), width), dtype=np.int64)
    for row, prompt in zip(padded, prompts, strict=True):
        row[width - len(prompt) :] = prompt
    lengths = torch.tensor([len(prompt) for prompt in prompts], device=device)
    ids = torch.from_numpy(padded).to(device)
    share = len(prompts)
    if isinstance(new_cache(model.config, width), PreallocatedCache):
        share = max(1, _PREFILL_TOKENS // width)
    caches, logits = [], []
    for start in range(0, len(prompts), share):
        part, mine = ids[start : start + share], lengths[start : start + share]
        pads = width - mine[:, None]
        keys = torch.arange(width, device=device) >= pads
        cache = new_cache(model.config, width)
        mask = _prefill_mask(model, keys, unpadded=int(pads.max()) == 0)
        positions = (torch.arange(width, device=device) - pads).clamp_(min=0)
        logits.append(_forward(model, part, mask, positions, cache))
        if cache.get_seq_length() != width:
            raise ModelError(
                f"'{model.config.model_type}' did not fill the key/value cache it was given; the embedded sampler needs "
                "a causal model that takes past_key_values"
            )
        caches.append(cache)
    return PromptBatch(model=model, caches=caches, logits=torch.cat(logits), lengths=lengths, width=width)


def decode(
    batch: PromptBatch,
    *,
    uniforms: npt.NDArray[np.float64],
    limits: npt.NDArray[np.int64],
    settings: SamplingSettings,
    end_ids: Sequence[int],
    stops: StopStrings | None,
    positions: int | None,
    check_every: int,
    flat: FlatWeights | None = None,
    ended: OnEnded,
) -> None:
    """Draw responses for every prompt of a batch, `R / B` rows each, and hand them over as they leave it.

    Args:
        batch: B prompts from `prefill`.
        uniforms: (R, T) uniforms, the rows of one prompt together.
        limits: (R,) response tokens each row may have, in 1..T.
        settings: the distribution.
        end_ids: ids that end a row.
        stops: stop strings, if any.
        positions: largest number of positions the model has; None when unbounded.
        check_every: steps between two looks at the host.
        flat: the model's fused weights, where it may be decoded by them (`proven`).
        ended: called with rows that have ended, each once; rows leave together, so that this is a few times a call.
    """
    rows, steps = uniforms.shape
    repeats = rows // batch.lengths.shape[0]
    device = batch.logits.device
    state: _State | FlatState
    if flat is not None and flat.holds(batch.width + steps):
        state = FlatState(flat, batch, repeats, steps, positions)
    else:
        state = _State(batch, repeats, steps, positions)
    # float64 does not exist on Apple's GPU; the fallback's 24 bits are documented with `inverse_cdf`.
    numbers = (
        torch.from_numpy(uniforms.T.copy()).to(torch.float32 if device.type == "mps" else torch.float64).to(device)
    )
    ends = torch.tensor(list(end_ids), dtype=torch.int64, device=device)
    allowed = torch.from_numpy(limits).to(device)
    # step by step, so that a step writes memory that lies together
    tokens = torch.full((steps, rows), -1, dtype=torch.int64, device=device)
    log_probs = torch.zeros((steps, rows), dtype=torch.float32, device=device)
    entropies = torch.zeros((2, steps, rows), device=device) if settings.with_entropy else None
    host_tokens = np.full((rows, steps), -1, dtype=np.int64)
    stop_ends = np.zeros(rows, dtype=np.int64)

    everyone = torch.arange(rows, device=device)
    live: slice | torch.Tensor = slice(None)
    count = rows
    finished = torch.zeros(rows, dtype=torch.bool, device=device)
    logits = batch.logits.repeat_interleave(repeats, dim=0)
    checked = 0

    def hand_over(index: torch.Tensor, step: int) -> None:
        at = index.cpu().numpy()
        taken, chances = (part[: step + 1, index].T.cpu().numpy() for part in (tokens, log_probs))
        spread = None if entropies is None else entropies[:, : step + 1, index].transpose(1, 2).cpu().numpy()
        ended(at, cut(taken, chances, limits[at], end_ids, stop_ends[at], spread))

    for step in range(steps):
        drawn, chosen = draw(logits, numbers[step][live], settings)
        tokens[step][live] = drawn
        log_probs[step][live] = chosen
        if entropies is not None:
            entropies[0, step][live], entropies[1, step][live] = entropy_and_slope(logits, drawn, settings)
        finished |= allowed <= step + 1
        if end_ids:
            finished |= (drawn[:, None] == ends).any(-1)
        if (step + 1) % check_every == 0 or step + 1 == steps:
            if stops is not None:
                host_tokens[:, checked : step + 1] = tokens[checked : step + 1].cpu().numpy().T
                _mark_stops(stops, host_tokens[:, : step + 1], checked, everyone[live], finished, stop_ends)
                checked = step + 1
            done = int(finished.sum())
            if done == count:
                break
            if done >= _COMPACT_SHARE * count:
                leaving, index = staying(finished, spares=flat is not None)
                hand_over(everyone[live][leaving], step)
                live, count = everyone[live][index], len(index)
                finished, drawn, allowed = finished[index], drawn[index], allowed[index]
                state.keep(index)
        if step + 1 < steps:
            logits = state.advance(drawn)
    hand_over(everyone[live], step)


def staying(finished: torch.Tensor, *, spares: bool) -> tuple[torch.Tensor, torch.Tensor]:
    """Rows that leave a batch in which (R,) rows have `finished`, and those that stay: some finished ones, too, where `spares` may."""
    done = finished.nonzero()[:, 0]
    leaving = done[spare_rows(len(finished) - len(done)) if spares else 0 :]
    return leaving, torch.ones_like(finished).index_fill_(0, leaving, False).nonzero()[:, 0]


def proven(model: PreTrainedModel, device: torch.device, *, compiled: bool = False) -> FlatWeights | None:
    """The model's fused weights, where the flat pass decodes it; None where it does not.

    Two padded prompts go both ways, and all logits must be those of the library's modules.

    Raises:
        UsageError: operators are to be `compiled`, and there is no C++ compiler, or it refuses.
    """
    vocabulary = int(model.config.get_text_config(decoder=True).vocab_size)
    prompts = [np.arange(size, dtype=np.int64) * 7 % vocabulary for size in (5, 3)]
    steps = 3
    weights = flat_weights(model, compiled=compiled)
    if weights is None or not weights.holds(len(prompts[0]) + steps):
        return None
    batch = prefill(model, prompts, device)
    plain, ours = _State(batch, 2, steps, None), FlatState(weights, batch, 2, steps, None)
    tokens = torch.arange(4, device=device) * 11 % vocabulary
    for step in range(steps):
        if step == 1:
            index = torch.tensor([0, 2, 3], device=device)
            tokens = tokens[index]
            plain.keep(index)
            ours.keep(index)
        expected = plain.advance(tokens)
        off = (ours.advance(tokens) - expected).norm(dim=1) / expected.norm(dim=1)
        if not bool((off <= _ALIKE).all()):
            return None
        tokens = (tokens + 5) % vocabulary
    return weights


class _State:
    """What a decode step needs of the live rows: cache, key mask, next positions."""

    def __init__(self, batch: PromptBatch, repeats: int, steps: int, positions: int | None) -> None:
        self._model = batch.model
        self._cache = expand(batch.caches, repeats, batch.width + steps)
        self._written = batch.width
        self._next = batch.lengths.repeat_interleave(repeats)[:, None]
        # Rows that are finished but not dropped yet may run past the last position; they are read by nobody.
        self._last = batch.width + steps if positions is None else positions - 1
        pads = (batch.width - batch.lengths).repeat_interleave(repeats)[:, None]
        keys = torch.arange(batch.width + steps, device=pads.device) >= pads
        self._mask = _decode_mask(self._model, keys, unpadded=int(pads.max()) == 0)

    def keep(self, index: torch.Tensor) -> None:
        """Drop every row but those at `index`."""
        select_rows(self._cache, index)
        self._next = self._next[index]
        if self._mask is not None:
            self._mask = self._mask[index]

    def advance(self, tokens: torch.Tensor) -> torch.Tensor:
        """(B, V) logits after appending one token to each row."""
        self._written += 1
        mask = None if self._mask is None else self._mask[..., : self._written]
        logits = _forward(self._model, tokens[:, None], mask, self._next.clamp(max=self._last), self._cache)
        self._next = self._next + 1
        return logits


def _forward(
    model: Callable[..., object], ids: torch.Tensor, mask: torch.Tensor | None, positions: torch.Tensor, cache: Cache
) -> torch.Tensor:
    output = model(
        input_ids=ids,
        attention_mask=mask,
        position_ids=positions,
        past_key_values=cache,
        use_cache=True,
        logits_to_keep=1,
    )
    logits: torch.Tensor = output.logits[:, -1]  # type: ignore[attr-defined]
    return logits


def _finishes_mask(model: PreTrainedModel) -> bool:
    """Whether this model may be handed a finished mask, which spares building one at every step."""
    config = model.config
    plain = isinstance(new_cache(config, 1), PreallocatedCache)
    return plain and config.model_type in _TAKES_FINISHED_MASK and config._attn_implementation in ("sdpa", "eager")


def _prefill_mask(model: PreTrainedModel, keys: torch.Tensor, *, unpadded: bool) -> torch.Tensor | None:
    """The mask of a prompt pass: None (causal) without padding, (B, 1, P, P) where taken, else the (B, P) key mask."""
    if not _finishes_mask(model):
        return keys.long()
    if unpadded:
        return None
    width = keys.shape[-1]
    causal = torch.ones((width, width), dtype=torch.bool, device=keys.device).tril()
    # A padding query sees itself: a row that sees nothing would be NaN in some attention kernels.
    itself = torch.eye(width, dtype=torch.bool, device=keys.device)
    return _as_attention(model, (keys[:, None, None, :] & causal) | itself)


def _decode_mask(model: PreTrainedModel, keys: torch.Tensor, *, unpadded: bool) -> torch.Tensor | None:
    """The mask of all one-token passes, to be cut to the positions written: None, (B, 1, 1, K) or (B, K)."""
    if not _finishes_mask(model):
        return keys.long()
    return None if unpadded else _as_attention(model, keys[:, None, None, :])


def _as_attention(model: PreTrainedModel, seen: torch.Tensor) -> torch.Tensor:
    """Booleans for `sdpa`; for `eager`, which adds its mask, zeros and the dtype's lowest value."""
    if model.config._attn_implementation == "sdpa":
        return seen
    zero = torch.zeros((), dtype=model.dtype, device=seen.device)
    return torch.where(seen, zero, torch.finfo(model.dtype).min)


def _mark_stops(
    stops: StopStrings,
    tokens: npt.NDArray[np.int64],
    seen: int,
    live: torch.Tensor,
    finished: torch.Tensor,
    stop_ends: npt.NDArray[np.int64],
) -> None:
    """Look for stop strings in rows that went on, or ended by id or length since the last look."""
    rows = live.cpu().numpy()
    open_rows = np.flatnonzero(stop_ends[rows] == 0)
    found = stops.ends(tokens[rows[open_rows]], seen)
    hits = found > 0
    stop_ends[rows[open_rows[hits]]] = found[hits]
    if hits.any():
        finished[torch.from_numpy(open_rows[hits]).to(finished.device)] = True


def cut(
    tokens: npt.NDArray[np.int64],
    log_probs: npt.NDArray[np.float32],
    limits: npt.NDArray[np.int64],
    end_ids: Sequence[int],
    stop_ends: npt.NDArray[np.int64],
    entropies: npt.NDArray[np.float32] | None,
) -> Decoded:
    """Where each row really ended: the first of end id, stop string and limit; a tie goes to the end id.

    Args:
        tokens: (R, T) that were drawn.
        log_probs: (R, T) of them.
        limits: (R,) response tokens each row may have.
        end_ids: ids that end a row.
        stop_ends: (R,) tokens at which a stop string is complete; 0 where none is.
        entropies: as of `Decoded`.
    """
    never = tokens.shape[1] + 1
    is_end = np.isin(tokens, list(end_ids))
    end_at = np.where(is_end.any(-1), is_end.argmax(-1) + 1, never)
    stop_at = np.where(stop_ends > 0, stop_ends, never)
    lengths = np.minimum(np.minimum(end_at, stop_at), limits)
    drawn = (tokens >= 0) & (np.arange(tokens.shape[1]) < lengths[:, None])
    bad = drawn & ~np.isfinite(log_probs)
    return Decoded(
        tokens=tokens,
        log_probs=log_probs,
        lengths=lengths,
        stopped=(stop_at == lengths) & (end_at > lengths),
        non_finite=np.where(bad.any(-1), bad.argmax(-1) + 1, 0),
        entropies=entropies,
    )
