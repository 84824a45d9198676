import math

import pytest
import torch

from counterpoise.credit import make_token_weights, weigh_tokens
from counterpoise.losses import make_loss
from counterpoise.types import Credit


@pytest.mark.parametrize("sign", ["plus", "minus"])
def test_at_a_1_the_gradient_is_that_of_the_probability(context, sign):
    logits = torch.randn(2, 3, 5, generator=torch.Generator().manual_seed(0), dtype=torch.float64).requires_grad_()
    tokens = torch.tensor([[0, 4, 2], [3, 1, 1]])
    chosen = logits.log_softmax(-1).gather(-1, tokens[..., None])[..., 0]
    one, nothing = torch.ones(2), torch.zeros(2)
    credit = Credit(plus=one, minus=nothing) if sign == "plus" else Credit(plus=nothing, minus=one)
    weighed = weigh_tokens(credit, make_token_weights("probability", normalise=False)(context(chosen.detach())))
    output = make_loss("reinforce")(
        log_probs=chosen,
        old_log_probs=chosen.detach(),
        plus=weighed.plus,
        minus=weighed.minus,
        mask=torch.ones(2, 3).bool(),
    )
    (trained,) = torch.autograd.grad(output.row_sums.sum(), logits, retain_graph=True)
    # eqs. (6)-(8) of arXiv 2506.01347: L = -r pi(y)
    (printed,) = torch.autograd.grad((-chosen.exp() if sign == "plus" else chosen.exp()).sum(), logits)
    torch.testing.assert_close(trained, printed, rtol=1e-6, atol=1e-8)


def test_powers_by_hand(context):
    weights = make_token_weights("probability", a=2)(context([[math.log(0.5), math.log(0.1), 1e-8]]))
    assert weights.plus.tolist() == weights.minus.tolist() == [pytest.approx([0.25, 0.01, 1.0], rel=1e-6)]
