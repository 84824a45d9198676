from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from counterpoise.errors import UsageError
from counterpoise.learner.batches import micro_batches, pad_rows, row_width


def test_rows_of_like_length_share_a_batch_and_an_overlong_row_goes_alone():
    assert micro_batches([3, 20, 4, 2, 4], 12) == [[1], [2, 4, 0], [3]]  # 20 > 12; 3 rows * 4 = 12; the rest


@given(st.lists(st.integers(1, 40), max_size=60), st.integers(1, 100))
def test_micro_batches_partition_the_rows_within_the_budget(lengths, budget):
    batches = micro_batches(lengths, budget)
    assert sorted(row for batch in batches for row in batch) == list(range(len(lengths)))
    assert all(len(batch) * max(lengths[row] for row in batch) <= budget or len(batch) == 1 for batch in batches)


@given(st.lists(st.integers(1, 40), min_size=1, max_size=60), st.integers(40, 200))
def test_all_batches_but_the_last_are_more_than_half_full(lengths, budget):
    # a closed batch of n rows of width w could not take one more: (n + 1) w > budget, so its area n w exceeds budget / 2
    batches = micro_batches(lengths, budget)
    area = sum(len(batch) * max(lengths[row] for row in batch) for batch in batches)
    assert len(batches) <= 2 * area / budget + 1


def test_padding_places_prompt_response_and_positions(build):
    first = replace(build.rollout(3, 2), mask=np.array([True, False]))
    rows = pad_rows([first, build.rollout(1, 3)], torch.device("cpu"))
    assert rows.input_ids.shape == (2, 4)  # 3 + 2 - 1 = 4 > 1 + 3 - 1
    assert rows.input_ids[0].tolist() == [*first.prompt_ids.tolist(), first.token_ids[0]]
    assert rows.positions.tolist() == [2, 4, 5, 6]  # column 2 of row 0; columns 0, 1, 2 of row 1 at offset 4
    assert rows.targets.tolist() == [first.token_ids[0], *build.rollout(1, 3).token_ids.tolist()]
    assert rows.mask.tolist() == [[True, False, False], [True, True, True]]
    assert rows.sampler_log_probs[0, 1] == 0.0
    assert rows.first == 0


def test_the_last_response_token_needs_no_column(build):
    assert row_width(build.rollout(5, 4)) == 8


def test_an_empty_prompt_is_refused(build):
    with pytest.raises(UsageError, match="rollout 0 \\(problem p0\\) has an empty prompt"):
        pad_rows([replace(build.rollout(2, 2), prompt_ids=np.zeros(0, dtype=np.int64))], torch.device("cpu"))
