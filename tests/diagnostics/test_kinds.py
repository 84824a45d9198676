"""Kinds among the right responses of a step, over processes."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from counterpoise.diagnostics.kinds import kind_columns, kind_totals
from counterpoise.types import Sum


def added(*processes):
    totals = {}
    for own in processes:
        for name, value in own.items():
            totals[name] = totals[name] + value if name in totals else value
    return totals


def test_shares_are_of_all_right_responses_of_all_processes():
    one, other = kind_totals(["a", "a", "b"], ["a", "b", "gone"]), kind_totals(["a", "c"], ["a", "b", "gone"])
    # 3 a, 1 b, 1 c of 5: no mean of 2/3 and 1/2, and what no process saw is 0
    found = kind_columns(added(one, other))
    assert {name: found[name] for name in ("kind/a", "kind/b", "kind/c", "kind/gone")} == {
        "kind/a": 0.6, "kind/b": 0.2, "kind/c": 0.2, "kind/gone": 0.0,
    }  # fmt: skip
    assert found["kinds_kept"] == 3.0
    assert found["kinds_effective"] == pytest.approx(math.exp(-(0.6 * math.log(0.6) + 0.4 * math.log(0.2))))


def test_without_a_right_response_nothing_is_known():
    found = kind_columns(kind_totals([], ["a"]))
    assert set(found) == {"kind/a", "kinds_kept", "kinds_effective"}
    assert all(math.isnan(value) for value in found.values())


def test_a_task_without_kinds_has_no_columns():
    assert kind_columns({"reward": Sum(total=1.0, count=2)}) == {}


def test_a_task_that_calls_every_response_a_kind_has_32_columns_of_them():
    found = kind_columns(kind_totals([f"text {number:03}" for number in range(500)] + ["text 499"]))
    assert (found["kinds_kept"], len(found)) == (500.0, 32 + 2)
    assert found["kind/text 499"] == 2 / 501


@given(st.lists(st.sampled_from("abcde"), min_size=1))
def test_the_effective_number_is_at_most_the_kept_one(kinds):
    found = kind_columns(kind_totals(kinds))
    assert 1.0 - 1e-9 <= found["kinds_effective"] <= found["kinds_kept"] + 1e-9
    assert math.fsum(value for name, value in found.items() if name.startswith("kind/")) == pytest.approx(1.0)
