"""One forward pass over rows of a few prompts in which each prompt is computed once, forward and backward.

The prompts' tokens and the responses' tokens lie end to end in one row of N, so nothing but attention sees padding and every module of the
library runs as it is. Attention is ours while the pass lasts: prompts attend to themselves, a response to its prompt's keys and its own. A
prompt's keys are handed to all its responses, and their gradients are summed.

Exact for decoders whose tokens meet in attention alone. What else there is (recurrent layers, soft caps, sinks, biases) is noticed by
`states.proven_window` and takes the plain pass.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn
from torch.autograd.function import once_differentiable

from counterpoise.learner.batches import PaddedRows, numbered_prompts
from counterpoise.types import Rollout

__all__ = ["UNBOUNDED", "SharedLayout", "UnsharedError", "applied", "dropless", "shared_layout", "shared_states"]

UNBOUNDED = 2**62
"""Window of a model whose tokens see everything before them."""

_NAME = "counterpoise_shared_prompts"
_HARMLESS = frozenset({"position_ids", "use_cache", "cache_position", "output_attentions", "output_hidden_states"})


class UnsharedError(Exception):
    """The model's attention asks for something that is not done here."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Block:
    """Some tokens that lie end to end, as rows of equal width."""

    cells: torch.Tensor
    """(R, W) int64 token of each cell; padding is the first blank token."""
    places: torch.Tensor
    """(n,) int64 cell of each token in the flattened (R * W)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SharedLayout:
    """Where the tokens of B rows with G prompts lie: prompts end to end, then responses without their last tokens, then blank ones.

    A blank token, of which there is at least one, is read by nobody and nothing flows back to it.
    """

    input_ids: torch.Tensor
    """(1, N) int64."""
    positions: torch.Tensor
    """(1, N) int64 place of each token in its own row."""
    predicting: torch.Tensor
    """(M,) int64 token from whose state each masked-in response token is predicted, in row-major order."""
    blanks: int
    """Tokens at the end that are nobody's."""
    prompts: _Block
    """(G, P)."""
    responses: _Block | None
    """(B, T), counted from the first response token; None where every response has one token, which nothing is predicted from."""
    keys: torch.Tensor
    """(B, L) int64 token of each place of a row, prompt and response."""
    own: torch.Tensor
    """(n,) int64 cell in the flattened (B * L) of each response token."""
    member: torch.Tensor
    """(G, B) 1 where the row has the prompt."""
    last: torch.Tensor
    """(B, T) int64 the last of its row's keys that a response's token sees."""
    plan: tuple[torch.Tensor, ...]
    """int64, what compiled attention reads: (G,) first token and (G,) number of each prompt's, (G + 1,) where its rows begin among all; of
    rows in that order (B,) first token and (B,) number of each response's."""
    calls: list[int | None] = field(default_factory=list)
    """The window that each attention layer asked for in the last pass."""
    masks: list[torch.Tensor] = field(default_factory=list)
    """What `seen` has made."""

    @property
    def seen(self) -> torch.Tensor:
        """(B, 1, T, L) bool keys that a response's token sees; made when first asked for, which compiled attention never does."""
        if not self.masks:
            self.masks.append(
                (torch.arange(self.keys.shape[1], device=self.keys.device) <= self.last[..., None])[:, None]
            )
        return self.masks[0]


def shared_layout(rollouts: Sequence[Rollout], rows: PaddedRows, *, block: int = 1) -> SharedLayout:
    """Lay out rollouts, of which `rows` is the padded form, as a multiple of `block` tokens."""
    device = rows.input_ids.device
    number, first = numbered_prompts(rollouts)
    sizes = np.array([len(rollouts[row].prompt_ids) for row in first])
    rests = np.array([len(rollout.token_ids) - 1 for rollout in rollouts])
    total, prompts = int(sizes.sum() + rests.sum()), int(sizes.sum())
    width, span = rows.input_ids.shape[1], max(1, int(rests.max()))
    starts, begins = _starts(sizes), prompts + _starts(rests)
    column = np.arange(width)[None, :]
    own_prompt = sizes[number][:, None]
    keys = np.where(column < own_prompt, starts[number][:, None] + column, begins[:, None] + column - own_prompt)
    real = column < (own_prompt + rests[:, None])
    keys = np.where(real, keys, total)
    is_response = real & (column >= own_prompt)
    blanks = block - total % block
    ids, at = (np.zeros(total + blanks, dtype=np.int64) for _ in range(2))
    padded = rows.input_ids.cpu().numpy()
    ids[keys[real]] = padded[real]
    at[keys[real]] = np.broadcast_to(column, keys.shape)[real]
    query = own_prompt + np.arange(span)[None, :]
    order = np.argsort(number, kind="stable")

    def put(values: Any) -> torch.Tensor:
        return torch.from_numpy(np.ascontiguousarray(values)).to(device)

    return SharedLayout(
        input_ids=put(ids)[None],
        positions=put(at)[None],
        predicting=put(keys.reshape(-1))[rows.positions],
        blanks=blanks,
        prompts=_block(sizes, starts, total, put),
        responses=_block(rests, begins, total, put) if rests.any() else None,
        keys=put(keys),
        own=put(np.flatnonzero(is_response)),
        member=put((np.arange(len(first))[:, None] == number[None, :]).astype(np.float32)),
        last=put(query),
        plan=tuple(
            map(
                put, (starts, sizes, np.searchsorted(number[order], range(len(first) + 1)), begins[order], rests[order])
            )
        ),
    )


def shared_states(trunk: nn.Module, layout: SharedLayout) -> torch.Tensor:
    """(M, H) states that predict the masked-in response tokens."""
    layout.calls.clear()
    with _attending(trunk):
        states: torch.Tensor = trunk(
            input_ids=layout.input_ids, position_ids=layout.positions, use_cache=False, shared_prompts=layout
        )[0]
    return states[0].index_select(0, layout.predicting)


def dropless(model: nn.Module) -> bool:
    """Whether no module is in training mode: dropout would be drawn once a prompt, and recomputation would happen after the pass."""
    return not any(module.training for module in model.modules())


@contextmanager
def _attending(trunk: nn.Module) -> Iterator[None]:
    """Let every layer find our attention, and put the names back."""
    from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

    if _NAME not in ALL_ATTENTION_FUNCTIONS:
        ALL_ATTENTION_FUNCTIONS.register(_NAME, _attention)
    configs = {id(own): own for module in trunk.modules() if hasattr(own := getattr(module, "config", None), _FIELD)}
    names = [(config, getattr(config, _FIELD)) for config in configs.values()]
    try:
        for config, _ in names:
            setattr(config, _FIELD, _NAME)
        yield
    finally:
        for config, name in names:
            setattr(config, _FIELD, name)


_FIELD = "_attn_implementation_internal"
"""What the library looks attention up by; its public face would set the names of inner configurations too."""


def _attention(
    module: nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    scaling: float | None = None,
    dropout: float = 0.0,
    sliding_window: int | None = None,
    is_causal: bool | None = None,
    shared_prompts: SharedLayout | None = None,
    **rest: Any,
) -> tuple[torch.Tensor, None]:
    """Attention of (1, h, N, d) queries as the library calls it: (1, N, h, d)."""
    asked = sorted(name for name, given in rest.items() if given is not None and name not in _HARMLESS)
    causal = getattr(module, "is_causal", True) if is_causal is None else is_causal
    if shared_prompts is None or asked or attention_mask is not None or dropout or not causal:
        raise UnsharedError
    layout = shared_prompts
    layout.calls.append(sliding_window)
    queries, keys, values = (part.transpose(1, 2)[0] for part in (query, key, value))
    shapes = [part.shape[1:] for part in (queries, keys, values)]
    own_queries, queries = applied(_Queries, queries.flatten(1), layout)
    (own_keys, keys), (own_values, values) = (applied(_HandOut, part.flatten(1), layout) for part in (keys, values))

    def heads(part: torch.Tensor, index: int) -> torch.Tensor:
        return part.view(*part.shape[:2], *shapes[index]).transpose(1, 2)

    grouped = shapes[0][0] != shapes[1][0]
    found = F.scaled_dot_product_attention(
        heads(own_queries, 0),
        heads(own_keys, 1),
        heads(own_values, 2),
        is_causal=True,
        scale=scaling,
        enable_gqa=grouped,
    )
    read = [found.transpose(1, 2).flatten(2)]
    if layout.responses is not None:
        found = F.scaled_dot_product_attention(
            heads(queries, 0),
            heads(keys, 1),
            heads(values, 2),
            attn_mask=layout.seen,
            scale=scaling,
            enable_gqa=grouped,
        )
        read.append(found.transpose(1, 2).flatten(2))
    return applied(_Collect, layout, *read).view(1, -1, shapes[0][0], shapes[2][1]), None


class _Queries(torch.autograd.Function):
    """(N, D) tokens -> (G, P, D) cells of the prompts and (B, T, D) of the responses."""

    @staticmethod
    def forward(ctx: Any, tokens: torch.Tensor, layout: SharedLayout) -> tuple[torch.Tensor, torch.Tensor]:
        ctx.layout = layout
        rest = tokens.new_empty(0) if layout.responses is None else _spread(tokens, layout.responses.cells)
        return _spread(tokens, layout.prompts.cells), rest

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grads: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        # padded queries are read by nobody and padded keys seen by nobody: their gradient is zero
        layout: SharedLayout = ctx.layout
        blocks = [layout.prompts] if layout.responses is None else [layout.prompts, layout.responses]
        return _together([(grad, block.places) for grad, block in zip(grads, blocks, strict=False)], layout), None


class _HandOut(torch.autograd.Function):
    """(N, D) tokens -> (G, P, D) prompts, and (B, L, D) rows, a prompt's tokens in each of its rows; back come the sums over them."""

    @staticmethod
    def forward(ctx: Any, tokens: torch.Tensor, layout: SharedLayout) -> tuple[torch.Tensor, torch.Tensor]:
        ctx.layout = layout
        rest = tokens.new_empty(0) if layout.responses is None else _spread(tokens, layout.keys)
        return _spread(tokens, layout.prompts.cells), rest

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, own: torch.Tensor, grad: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        layout: SharedLayout = ctx.layout
        if layout.responses is None:
            return _together([(own, layout.prompts.places)], layout), None
        prompts, span = layout.prompts.cells.shape
        # a product with ones and zeros, for its order of sums is the same every time, which atomic additions' is not
        parts = grad[:, :span].reshape(grad.shape[0], -1)
        sums = (layout.member.to(parts.dtype) @ parts).view(prompts, span, -1)
        return _together([(sums.add_(own), layout.prompts.places), (grad, layout.own)], layout), None


class _Collect(torch.autograd.Function):
    """(G, P, D) cells of the prompts and (B, T, D) of the responses -> (N, D) tokens."""

    @staticmethod
    def forward(ctx: Any, layout: SharedLayout, *cells: torch.Tensor) -> torch.Tensor:
        ctx.layout = layout
        blocks = [layout.prompts] if layout.responses is None else [layout.prompts, layout.responses]
        return _together([(part, block.places) for part, block in zip(cells, blocks, strict=True)], layout)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        layout: SharedLayout = ctx.layout
        # padding gets the gradient of the blank token, which is zero
        found = [_spread(grad, layout.prompts.cells)]
        return None, *found, *([] if layout.responses is None else [_spread(grad, layout.responses.cells)])


def applied(function: type[torch.autograd.Function], *given: Any) -> Any:
    """`function.apply(*given)`, which has no type."""
    return function.apply(*given)  # type: ignore[no-untyped-call]


def _spread(tokens: torch.Tensor, cells: torch.Tensor) -> torch.Tensor:
    """(N, D) tokens -> (R, W, D) cells."""
    return tokens.index_select(0, cells.flatten()).view(*cells.shape, -1)


def _together(parts: Sequence[tuple[torch.Tensor, torch.Tensor]], layout: SharedLayout) -> torch.Tensor:
    """(N, D) tokens from (R, W, D) cells and the places of the tokens among them, part by part, zeros behind them."""
    size = parts[0][0].shape[-1]
    found = [cells.reshape(-1, size).index_select(0, places) for cells, places in parts]
    return torch.cat([*found, found[0].new_zeros(layout.blanks, size)])


def _starts(sizes: Any) -> Any:
    return np.cumsum(sizes) - sizes


def _block(sizes: Any, starts: Any, blank: int, put: Any) -> _Block:
    column = np.arange(int(sizes.max()))[None, :]
    real = column < sizes[:, None]
    return _Block(cells=put(np.where(real, starts[:, None] + column, blank)), places=put(np.flatnonzero(real)))
