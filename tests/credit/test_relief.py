from types import SimpleNamespace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from counterpoise.credit import token_masses
from counterpoise.credit.relief import relieved
from counterpoise.types import Batch, Credit
from counterpoise.world import ALONE

CORRECT = torch.tensor([True, False, True, False])
SCORED = torch.tensor([True, True, False, True])
LENGTHS = torch.tensor([4, 2, 3, 6])
NSR = Credit(plus=torch.zeros(4), minus=torch.tensor([0.0, 1.0, 0.0, 1.0]))
WEIGHTED = Credit(plus=torch.tensor([0.1, 0.0, 0.0, 0.0]), minus=NSR.minus)


def _relieved(credit, *, share=0.0, minus=1.0, correct=CORRECT, world=ALONE):
    batch = Batch(
        rewards=torch.zeros(4),
        correct=correct,
        scored=SCORED,
        group_ids=torch.arange(4),
        lengths=LENGTHS,
        task_types=["t"] * 4,
    )
    return relieved(credit, batch, share=share, minus=minus, world=world)


def test_positives_are_weighed_until_they_have_the_share():
    # W+ = 0.1 * 4, W- = 2 + 6: the odds of 0.2 are 1/4, so W+ must be 2, five times as much
    credit = _relieved(WEIGHTED, share=0.2)
    assert credit.plus.tolist() == pytest.approx([0.5, 0, 0, 0])
    assert torch.equal(credit.minus, WEIGHTED.minus)


def test_beyond_twenty_the_negatives_fall():
    # share 0.5 needs W+ = 8 = 20 * 0.4: just within; at 0.8 it needs 32, and W- falls to a quarter
    assert _relieved(WEIGHTED, share=0.5).plus.tolist() == pytest.approx([2.0, 0, 0, 0])
    credit = _relieved(WEIGHTED, share=0.8)
    assert credit.plus.tolist() == pytest.approx([2.0, 0, 0, 0])
    assert credit.minus.tolist() == pytest.approx([0, 0.25, 0, 0.25])


def test_a_rule_without_positives_is_given_those_of_psr():
    # W+ = 4 for the scored correct response, W- = 8: share 1/2 doubles it
    assert _relieved(NSR, share=0.5).plus.tolist() == pytest.approx([2.0, 0, 0, 0])
    # and no more than the share: odds 1/9 of 8 are 8/9, on 4 tokens
    assert _relieved(NSR, share=0.1).plus.tolist() == pytest.approx([2 / 9, 0, 0, 0])


def test_without_a_correct_response_nothing_is_trained_on():
    credit = _relieved(NSR, share=0.5, correct=torch.zeros(4, dtype=torch.bool))
    assert not credit.nonzero.any()


def test_credit_that_has_the_share_stays_as_it_is():
    assert torch.equal(_relieved(WEIGHTED, share=0.01).plus, WEIGHTED.plus)
    credit = _relieved(NSR, minus=0.5)
    assert torch.equal(credit.plus, NSR.plus)
    assert torch.equal(credit.minus, 0.5 * NSR.minus)


def test_a_response_that_is_pushed_down_gets_no_positive_credit():
    odd = Credit(plus=torch.zeros(4), minus=torch.tensor([1.0, 1.0, 0.0, 0.0]))
    assert not _relieved(odd, share=0.5).nonzero.any()


def test_credit_by_token_counts_the_tokens_that_are_there():
    inside = torch.arange(6)[None, :] < LENGTHS[:, None]
    tokens = Credit(plus=torch.zeros(4, 6), minus=NSR.minus[:, None] * inside)
    credit = _relieved(tokens, share=0.5)
    assert credit.plus.tolist() == [[2.0] * 4 + [0.0] * 2, *[[0.0] * 6] * 3]


def test_processes_decide_on_the_sums_of_all():
    seen = []

    def gather(own):
        seen.extend(own)
        return [own[0], [0.0, 16.0, 8.0]]  # the other one: 16 tokens down, 8 of correct responses

    # W- = 8 + 16, correct 4 + 8: share 1/2 doubles the credit of the correct responses on both
    assert _relieved(NSR, share=0.5, world=SimpleNamespace(gather=gather)).plus.tolist() == pytest.approx(
        [2.0, 0, 0, 0]
    )
    assert seen == [[0.0, 8.0, 4.0]]


@given(
    st.lists(st.tuples(st.floats(0, 3), st.booleans(), st.integers(1, 50)), min_size=1, max_size=20),
    st.floats(0, 0.99),
    st.floats(0.05, 1),
)
def test_the_share_holds_and_the_halves_stay_apart(rows, share, minus):
    weight = torch.tensor([row[0] for row in rows])
    correct = torch.tensor([row[1] for row in rows])
    lengths = torch.tensor([row[2] for row in rows])
    credit = relieved(
        Credit(plus=torch.where(correct, weight, 0.0), minus=torch.where(correct, 0.0, 1.0)),
        Batch(
            rewards=weight,
            correct=correct,
            scored=torch.ones_like(correct),
            group_ids=torch.arange(len(rows)),
            lengths=lengths,
            task_types=["t"] * len(rows),
        ),
        share=share,
        minus=minus,
    )
    assert not (credit.plus * credit.minus).any()
    up, down = (float(mass.sum()) for mass in token_masses(credit, lengths))
    assert up >= share * (up + down) - 1e-4 * (up + down)
