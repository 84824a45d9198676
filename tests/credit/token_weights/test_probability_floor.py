import math

import pytest
import torch

from counterpoise.credit import make_token_weights, signed_credit
from counterpoise.credit.rules.nsr import Nsr
from counterpoise.losses import make_loss


def test_tokens_below_the_floor_have_weight_0(context):
    given = context([[math.log(0.009), math.log(0.011), -1.0, 0.0]])
    weights = make_token_weights("probability_floor")(given)
    assert weights.minus.tolist() == [[0, 1, 1, 1]] and weights.plus.tolist() == [[1, 1, 1, 1]]
    assert make_token_weights("probability_floor", signs="plus")(given).plus.tolist() == [[0, 1, 1, 1]]


@pytest.mark.parametrize("normalise", [False, True])
def test_without_normalisation_the_gradient_is_that_of_the_loss_s_own_floor(context, normalise):
    log_probs = torch.tensor([[0.005, 0.4, 0.9], [0.6, 0.002, 0.3]]).log().requires_grad_()
    rows = torch.zeros(2, dtype=torch.bool)
    given = context(log_probs.detach())
    found = []
    for weights, settings in (
        (make_token_weights("probability_floor", normalise=normalise)(given), {}),
        (None, {"probability_floor": 0.01}),
    ):
        credit = signed_credit(
            rewards=-torch.ones(2),
            correct=rows,
            scored=~rows,
            group_ids=rows.long(),
            rule=Nsr(),
            token_weights=weights,
        )
        output = make_loss("ppo_clip", **settings)(
            log_probs=log_probs,
            old_log_probs=log_probs.detach(),
            plus=credit.plus,
            minus=credit.minus,
            mask=torch.ones(2, 3).bool(),
        )
        found += torch.autograd.grad(output.row_sums.sum(), log_probs)
    # two of three tokens are left in each row: with normalisation they carry the whole of its credit
    torch.testing.assert_close(found[0], found[1] * (1.5 if normalise else 1.0))
