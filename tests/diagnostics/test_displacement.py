import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from counterpoise.diagnostics.displacement import anchor_kl, displacement, spread
from counterpoise.errors import UsageError
from counterpoise.losses import make_loss
from counterpoise.types import Rollout, StopReason


def test_change_per_token():
    before = [np.array([-1.0, -2.0], dtype=np.float32), np.array([-4.0], dtype=np.float32)]
    after = [np.array([-1.5, -2.5], dtype=np.float32), np.array([-3.5], dtype=np.float32)]
    # (-0.5 - 0.5 + 0.5) / 3 tokens
    assert displacement(before, after).mean == pytest.approx(-1 / 6)
    assert math.isnan(displacement([], []).mean)
    with pytest.raises(UsageError, match="not of the same tokens"):
        displacement(before, before[:1])


def test_spread_takes_rows_evenly_and_all_of_few():
    # 10 rows, 4 of them: indices 0, 2.5, 5, 7.5
    assert spread(list(range(100, 110)), 4) == [100, 102, 105, 107]
    assert spread([3, 5], 4) == [3, 5]


@given(st.lists(st.integers(), max_size=30, unique=True), st.integers(1, 12))
def test_spread_is_a_part_in_order_of_the_size_asked_for(rows, limit):
    chosen = spread(rows, limit)
    assert len(chosen) == min(limit, len(rows)) == len(set(chosen))
    assert chosen == [row for row in rows if row in chosen]


def test_one_step_of_nsr_lowers_the_wrong_and_lifts_the_rest_in_proportion():
    # softmax policy of one token: logits log(1/2), log(1/4), log(1/4); token 0 is wrong, token 1 right, token 2 an anchor
    logits = torch.tensor([[0.5, 0.25, 0.25]]).log().requires_grad_()

    def read():
        values = torch.log_softmax(logits, dim=-1)[0].detach().numpy()
        return [[values[token : token + 1].copy()] for token in range(3)]

    before = read()
    log_probs = torch.log_softmax(logits, dim=-1)[:, :1]
    output = make_loss("reinforce")(
        log_probs=log_probs,
        old_log_probs=log_probs.detach(),
        plus=torch.zeros(1),
        minus=torch.ones(1),
        mask=torch.ones(1, 1, dtype=torch.bool),
    )
    output.row_sums.sum().backward()
    with torch.no_grad():
        logits -= 0.1 * logits.grad
    wrong, right, anchor = (displacement(one, other).mean for one, other in zip(before, read(), strict=True))
    # the logits move by -0.1 (1 - 1/2) = -0.05 on the token and +0.1 / 4 = +0.025 on the others;
    # log Z = log(e^-0.05 / 2 + e^0.025 / 2) = -0.0117976
    log_z = math.log(0.5 * math.exp(-0.05) + 0.5 * math.exp(0.025))
    assert wrong == pytest.approx(-0.05 - log_z, abs=1e-6)
    assert right == anchor == pytest.approx(0.025 - log_z, abs=1e-6)
    assert wrong < 0 < right


def test_anchor_kl_is_base_less_policy_over_the_chosen_tokens():
    anchor = Rollout(
        problem_id="p",
        prompt_ids=np.array([1]),
        token_ids=np.array([2, 3, 4]),
        mask=np.array([True, False, True]),
        log_probs=np.array([-1.0, -9.0, -2.0], dtype=np.float32),
        text="",
        temperature=1.0,
        stop_reason=StopReason.EOS,
        policy_version=0,
    )
    # (-1 + 1.5 - 2 + 2.5) / 2
    assert anchor_kl([anchor], [np.array([-1.5, -2.5], dtype=np.float32)]).mean == pytest.approx(0.5)


def test_anchor_kl_is_unbiased_for_the_kl_to_the_base():
    # every token of the base's distribution as often as it is drawn in 8: (1/2, 1/4, 1/4)
    base, policy = np.log([0.5, 0.25, 0.25]), np.log([0.25, 0.25, 0.5])
    drawn = np.array([0, 0, 0, 0, 1, 1, 2, 2])
    anchors = [
        Rollout(
            problem_id="p",
            prompt_ids=np.array([1]),
            token_ids=np.array([token]),
            mask=np.array([True]),
            log_probs=base[[token]].astype(np.float32),
            text="",
            temperature=1.0,
            stop_reason=StopReason.LENGTH,
            policy_version=0,
        )
        for token in drawn
    ]
    # KL = 1/2 log 2 + 0 - 1/4 log 2
    found = anchor_kl(anchors, [policy[[token]].astype(np.float32) for token in drawn]).mean
    assert found == pytest.approx(0.25 * math.log(2), abs=1e-6)
