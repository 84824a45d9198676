"""Key/value caches: one that writes in place, and the rules for which model gets which.

A growing cache that concatenates copies everything it holds at every token. `PreallocatedCache` writes each token into
memory set aside for it, is spread from one prompt to its group in one copy, and drops finished rows.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from functools import partial
from typing import Any, cast

import torch
from transformers.cache_utils import (
    Cache,
    CacheLayerMixin,
    DynamicCache,
    DynamicLayer,
    LinearAttentionCacheLayerMixin,
)
from transformers.configuration_utils import PreTrainedConfig

from counterpoise.errors import ModelError

__all__ = ["PreallocatedCache", "PreallocatedLayer", "expand", "new_cache", "select_rows"]

_GROWTH = 8
"""Positions by which a cache grows at least. What lies unused between two rows costs: a batched product streams through rows that lie end
to end, and with a quarter of each row unused takes twice as long."""


class PreallocatedLayer(CacheLayerMixin):  # type: ignore[no-untyped-call]
    """Keys and values of one layer, (B, heads, capacity, width) each, of which the first `length` positions are written.

    Capacity grows by an eighth (by 8 positions at least) up to `limit`, so a long token limit costs memory only when a
    response really becomes long.
    """

    is_sliding = False

    def __init__(self, limit: int) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.limit = limit
        self.length = 0

    def lazy_initialization(self, key_states: torch.Tensor, value_states: torch.Tensor) -> None:
        """Reserve memory for the first states; called by `update`."""
        capacity = self._capacity(key_states.shape[-2])
        self.keys, self.values = _reserve(key_states, capacity), _reserve(value_states, capacity)
        self.is_initialized = True

    def update(
        self, key_states: torch.Tensor, value_states: torch.Tensor, *args: Any, **kwargs: Any
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Write (B, heads, new, width) states behind the old ones; returns views of everything written so far."""
        if self.keys is None or self.values is None:
            self.lazy_initialization(key_states, value_states)
        assert self.keys is not None and self.values is not None
        end = self.length + key_states.shape[-2]
        if end > self.keys.shape[-2]:
            capacity = self._capacity(end)
            self.keys, self.values = (
                _copied(_reserve(old, capacity), old, self.length) for old in (self.keys, self.values)
            )
        self.keys[:, :, self.length : end] = key_states
        self.values[:, :, self.length : end] = value_states
        self.length = end
        return self.keys[:, :, :end], self.values[:, :, :end]

    def get_mask_sizes(self, query_length: int) -> tuple[int, int]:
        """Key length the mask must have for `query_length` new positions, and its offset, 0."""
        return self.length + query_length, 0

    def get_seq_length(self) -> int:
        """Positions written."""
        return self.length

    def get_max_length(self) -> int:
        """-1: the layer grows as needed."""
        return -1

    def get_max_cache_shape(self) -> int:
        """-1; the name `get_max_length` had in older transformers."""
        return -1

    def expanded(self, others: Sequence[PreallocatedLayer], repeats: int, limit: int) -> PreallocatedLayer:
        """This layer and `others`, one below the other, each row `repeats` times in a row, with room up to `limit`."""
        layer = PreallocatedLayer(limit)
        layer.length, layer.is_initialized = self.length, True
        parts = (self, *others)
        capacity = layer._capacity(self.length + 1)
        layer.keys = _stacked([part.keys for part in parts if part.keys is not None], repeats, self.length, capacity)
        layer.values = _stacked(
            [part.values for part in parts if part.values is not None], repeats, self.length, capacity
        )
        return layer

    def keep(self, rows: torch.Tensor) -> None:
        """Drop every row but `rows` (indices)."""
        assert self.keys is not None and self.values is not None
        self.keys, self.values = self.keys.index_select(0, rows), self.values.index_select(0, rows)

    def _capacity(self, needed: int) -> int:
        return max(needed, min(self.limit, needed + max(_GROWTH, needed // 8)))


class PreallocatedCache(Cache):
    """A transformers cache of `PreallocatedLayer`s for models whose every layer attends to all positions."""

    def __init__(self, limit: int, layers: Sequence[PreallocatedLayer] | None = None) -> None:
        """Start empty, growing a layer at each first `update`, or around layers that are filled already."""
        if layers is None:
            # Called without arguments for each layer, which is all the base class asks of the "type" it is given.
            super().__init__(layer_class_to_replicate=cast(Any, partial(PreallocatedLayer, limit)))
        else:
            super().__init__(layers=list(layers))

    def preallocated(self) -> list[PreallocatedLayer]:
        """The layers under their own type."""
        return cast(list[PreallocatedLayer], self.layers)


def new_cache(config: PreTrainedConfig, limit: int) -> Cache:
    """An empty cache for a model: preallocated where every layer has full attention, the library's own elsewhere.

    Args:
        config: the model's configuration.
        limit: positions a row may reach.

    Raises:
        ModelError: the model keeps a recurrent or convolutional state, or is an encoder-decoder.
    """
    if config.is_encoder_decoder:
        raise ModelError(
            f"'{config.model_type}' is an encoder-decoder; the embedded sampler draws from decoder-only causal models: "
            "choose one of those"
        )
    library = DynamicCache(config=config)
    if any(isinstance(layer, LinearAttentionCacheLayerMixin) for layer in library.layers):
        raise ModelError(
            f"'{config.model_type}' has recurrent or convolutional layers, whose state cannot be shared by a group of "
            "padded prompts here; choose a model made of attention layers, or a sampler that serves this one (vLLM)"
        )
    if all(type(layer) is DynamicLayer for layer in library.layers):
        return PreallocatedCache(limit)
    return library


def expand(caches: Sequence[Cache], repeats: int, limit: int) -> Cache:
    """A cache whose rows are the rows of `caches` in order, each repeated `repeats` times; the inputs stay usable.

    Several caches at once are for preallocated ones only.
    """
    first, *others = caches
    if isinstance(first, PreallocatedCache):
        columns = zip(*(cast(PreallocatedCache, cache).preallocated() for cache in caches), strict=True)
        return PreallocatedCache(limit, [head.expanded(rest, repeats, limit) for head, *rest in columns])
    assert not others
    copied = copy.deepcopy(first)
    copied.batch_repeat_interleave(repeats)
    return copied


def select_rows(cache: Cache, rows: torch.Tensor) -> None:
    """Drop, in place, every row of the cache but `rows` (B',) int64 indices."""
    if isinstance(cache, PreallocatedCache):
        for layer in cache.preallocated():
            layer.keep(rows)
    else:
        cache.batch_select_indices(rows)


def _reserve(like: torch.Tensor, capacity: int) -> torch.Tensor:
    return like.new_empty((*like.shape[:2], capacity, like.shape[3]))


def _copied(target: torch.Tensor, source: torch.Tensor, length: int) -> torch.Tensor:
    target[:, :, :length] = source[:, :, :length]
    return target


def _stacked(parts: Sequence[torch.Tensor], repeats: int, length: int, capacity: int) -> torch.Tensor:
    rows = sum(part.shape[0] for part in parts)
    _, heads, _, width = parts[0].shape
    target = parts[0].new_empty((rows, repeats, heads, capacity, width))
    start = 0
    for part in parts:
        target[start : start + part.shape[0], :, :, :length] = part[:, None, :, :length]
        start += part.shape[0]
    return target.view(rows * repeats, heads, capacity, width)
