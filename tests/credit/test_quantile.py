import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from counterpoise.credit import group_statistics
from counterpoise.credit.quantile import group_quantile


def quantile(values: list[float], ids: list[int], q: float, scored: list[bool] | None = None) -> list[float]:
    rewards = torch.tensor(values, dtype=torch.float64)
    mask = torch.tensor(scored if scored is not None else [True] * len(values))
    statistics = group_statistics(torch.zeros(len(values), dtype=torch.bool), mask, torch.tensor(ids), rewards)
    found: list[float] = group_quantile(rewards, statistics, q).tolist()
    return found


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.floats(-5, 5), st.integers(0, 3), st.booleans()), min_size=1, max_size=30),
    st.floats(0.01, 0.99),
)
def test_it_is_numpy_s_quantile_of_each_group_s_scored_rows(rows: list[tuple[float, int, bool]], q: float) -> None:
    values, ids, scored = ([row[i] for row in rows] for i in range(3))
    for found, group in zip(quantile(values, ids, q, scored), ids, strict=True):
        own = [value for value, other, counts in rows if other == group and counts]
        assert found == pytest.approx(np.quantile(own, q) if own else 0.0, abs=1e-12)


def test_the_median_of_two_lies_between_them() -> None:
    assert quantile([1.0, 3.0, 9.0], [0, 0, 1], 0.5) == [2.0, 2.0, 9.0]
