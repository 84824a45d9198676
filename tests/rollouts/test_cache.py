from __future__ import annotations

import pytest
import torch
from transformers import Mamba2Config, T5Config
from transformers.cache_utils import DynamicCache

from counterpoise.errors import ModelError
from counterpoise.rollouts.cache import PreallocatedCache, PreallocatedLayer, expand, new_cache, select_rows


def states(rows: int, length: int, seed: int) -> torch.Tensor:
    return torch.randn(rows, 2, length, 3, generator=torch.Generator().manual_seed(seed))


def test_updates_equal_concatenation_across_growth() -> None:
    layer, parts = PreallocatedLayer(limit=500), []
    for seed, length in enumerate((5, 1, 1, 80, 1, 200)):
        parts.append(states(2, length, seed))
        keys, values = layer.update(parts[-1], parts[-1][..., :2])
        whole = torch.cat(parts, 2)
        assert torch.equal(keys, whole) and torch.equal(values, whole[..., :2])
    assert layer.get_seq_length() == 288 and layer.get_mask_sizes(1) == (289, 0)


def test_one_token_is_written_in_place() -> None:
    layer = PreallocatedLayer(limit=100)
    first, _ = layer.update(states(1, 4, 0), states(1, 4, 1))
    second, _ = layer.update(states(1, 1, 2), states(1, 1, 3))
    assert first.data_ptr() == second.data_ptr()


def test_capacity_stays_within_the_limit() -> None:
    layer = PreallocatedLayer(limit=10)
    layer.update(states(1, 4, 0), states(1, 4, 0))
    assert layer.keys is not None and layer.keys.shape[2] == 10


def test_expand_repeats_rows_of_all_parts_and_keep_drops_rows() -> None:
    caches = []
    for seed, rows in ((0, 2), (1, 1)):
        cache = PreallocatedCache(6)
        for layer in range(2):
            cache.update(states(rows, 4, seed + layer), states(rows, 4, seed + layer), layer)
        caches.append(cache)
    spread = expand(caches, 3, 20)
    keys, _ = spread.update(torch.zeros(9, 2, 1, 3), torch.zeros(9, 2, 1, 3), 1)
    expected = torch.cat([states(2, 4, 1), states(1, 4, 2)]).repeat_interleave(3, 0)
    assert torch.equal(keys[:, :, :4], expected)
    select_rows(spread, torch.tensor([8, 2]))
    keys, _ = spread.update(torch.zeros(2, 2, 1, 3), torch.zeros(2, 2, 1, 3), 1)
    assert torch.equal(keys[:, :, :4], expected[[8, 2]])
    assert caches[0].get_seq_length() == 4


def test_full_attention_gets_the_preallocated_cache_and_sliding_windows_the_librarys(make_model) -> None:
    for family in ("llama", "qwen2", "qwen3", "gpt2"):
        assert type(new_cache(make_model(family).config, 8)) is PreallocatedCache
    assert type(new_cache(make_model("mistral").config, 8)) is DynamicCache
    assert type(new_cache(make_model("mistral", sliding_window=None).config, 8)) is PreallocatedCache


def test_recurrent_layers_are_refused() -> None:
    from transformers import Qwen3NextConfig

    config = Qwen3NextConfig(num_hidden_layers=4)
    with pytest.raises(ModelError, match="'qwen3_next' has recurrent or convolutional layers"):
        new_cache(config, 8)
    with pytest.raises(ModelError, match="'mamba2' has recurrent or convolutional layers"):
        new_cache(Mamba2Config(num_hidden_layers=2), 8)


def test_encoder_decoders_are_refused() -> None:
    with pytest.raises(ModelError, match="'t5' is an encoder-decoder"):
        new_cache(T5Config(), 8)
