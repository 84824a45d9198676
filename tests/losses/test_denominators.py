from itertools import pairwise

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from counterpoise.errors import ConfigError, TrainingError, UnknownNameError, UsageError
from counterpoise.losses import DENOMINATORS, counts, make_divide
from counterpoise.types import Counts, Credit, LossOutput

LENGTHS = torch.tensor([2, 4, 8, 16])
SCORED = torch.tensor([True, True, True, False])
CREDIT = Credit(plus=torch.tensor([1.0, 0, 0, 0]), minus=torch.tensor([0, 0.5, 0, 0]))
SUMS = torch.tensor([3.0, 6.0, 0.0], dtype=torch.float64)  # of the scored rows
COUNTS = Counts(tokens_all=14, tokens_signed=6, sequences_all=3, sequences_signed=2)


def output(sums: torch.Tensor, lengths: torch.Tensor) -> LossOutput:
    return LossOutput(row_sums=sums, lengths=lengths, metrics={})


def test_counts_leave_unscored_rows_out_and_keep_zero_credit_in() -> None:
    assert counts(CREDIT, LENGTHS, SCORED) == COUNTS


def test_counts_of_per_token_credit_take_the_rows_with_any() -> None:
    credit = Credit(plus=torch.tensor([[0.0, 1.0], [0.0, 0.0]]), minus=torch.zeros(2, 2))
    found = counts(credit, torch.tensor([2, 1]), torch.ones(2).bool())
    assert found == Counts(tokens_all=3, tokens_signed=2, sequences_all=2, sequences_signed=1)


@pytest.mark.parametrize(
    ("name", "arguments", "expected"),
    [
        ("tokens_all", {}, 9 / 14),
        ("tokens_signed", {}, 9 / 6),
        ("sequences", {}, 9 / 3),
        ("sequences", {"over": "signed"}, 9 / 2),
        ("sequence_mean", {}, (3 / 2 + 6 / 4) / 3),
        ("sequence_mean", {"over": "signed"}, (3 / 2 + 6 / 4) / 2),
        ("constant", {"length": 10}, 9 / 30),
        ("constant", {"length": 10, "over": "signed"}, 9 / 20),
    ],
)
def test_each_name_divides_by_what_it_says(name: str, arguments: dict[str, object], expected: float) -> None:
    assert float(make_divide(name, **arguments)(output(SUMS, LENGTHS[:3]), COUNTS)) == pytest.approx(
        expected, rel=1e-15
    )


@pytest.mark.parametrize("name", sorted(DENOMINATORS))
@settings(max_examples=20, deadline=None)
@given(n=st.integers(1, 12), seed=st.integers(0, 999), data=st.data())
def test_micro_batches_add_up_to_the_mini_batch(name: str, n: int, seed: int, data: st.DataObject) -> None:
    generator = torch.Generator().manual_seed(seed)
    sums = torch.randn(n, generator=generator, dtype=torch.float64)
    lengths = torch.randint(1, 50, (n,), generator=generator)
    divide = make_divide(name, **({"length": 32} if name == "constant" else {}))
    total = Counts(
        tokens_all=int(lengths.sum()) + 7, tokens_signed=int(lengths.sum()), sequences_all=n + 1, sequences_signed=n
    )
    cuts = [0, *sorted(data.draw(st.lists(st.integers(0, n), max_size=4))), n]
    parts = [divide(output(sums[a:b], lengths[a:b]), total) for a, b in pairwise(cuts)]
    torch.testing.assert_close(torch.stack(parts).sum(), divide(output(sums, lengths), total), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("name", sorted(DENOMINATORS))
def test_nothing_to_divide_by_is_an_error_not_a_nan(name: str) -> None:
    nothing = Counts(tokens_all=0, tokens_signed=0, sequences_all=0, sequences_signed=0)
    with pytest.raises(
        TrainingError, match=r"the mini-batch has \w+ = 0, so there is nothing to divide by; skip its update"
    ):
        make_divide(name, **({"length": 32} if name == "constant" else {}))(output(SUMS, LENGTHS[:3]), nothing)


def test_bad_names_and_settings_are_refused() -> None:
    with pytest.raises(UnknownNameError, match=r"unknown loss.denominator 'tokens'; did you mean 'tokens_all'"):
        make_divide("tokens")
    with pytest.raises(ConfigError, match=r"loss.denominator constant: the setting 'length' is missing"):
        make_divide("constant")
    with pytest.raises(ConfigError, match=r"constant: length = 0; expected a number in \(0, inf\)"):
        make_divide("constant", length=0)
    with pytest.raises(ConfigError, match=r"sequences: over = 'some'; expected one of: all, signed"):
        make_divide("sequences", over="some")


def test_counts_refuse_rows_of_another_batch() -> None:
    with pytest.raises(UsageError, match=r"lengths has shape \(3,\); expected \(4,\)"):
        counts(CREDIT, LENGTHS[:3], SCORED)
