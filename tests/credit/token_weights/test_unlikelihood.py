import math

import pytest
import torch

from counterpoise.credit import make_token_weights, weigh_tokens
from counterpoise.losses import make_loss
from counterpoise.types import Credit


def test_the_gradient_is_that_of_log_1_minus_pi(context):
    logits = torch.randn(2, 3, 5, generator=torch.Generator().manual_seed(0), dtype=torch.float64).requires_grad_()
    tokens = torch.tensor([[0, 4, 2], [3, 1, 1]])
    chosen = logits.log_softmax(-1).gather(-1, tokens[..., None])[..., 0]
    weights = make_token_weights("unlikelihood", normalise=False)(context(chosen.detach()))
    weighed = weigh_tokens(Credit(plus=torch.zeros(2), minus=torch.ones(2)), weights)
    output = make_loss("ppo_clip")(
        log_probs=chosen,
        old_log_probs=chosen.detach(),
        plus=weighed.plus,
        minus=weighed.minus,
        mask=torch.ones(2, 3).bool(),
    )
    (trained,) = torch.autograd.grad(output.row_sums.sum(), logits, retain_graph=True)
    (unlikelihood,) = torch.autograd.grad(-torch.log1p(-chosen.exp()).sum(), logits)
    torch.testing.assert_close(trained, unlikelihood, rtol=1e-6, atol=1e-8)


def test_the_cap_binds_on_certain_tokens_and_positives_keep_weight_1(context):
    weights = make_token_weights("unlikelihood")(context([[math.log(0.5), math.log(0.2), math.log(0.95), -1e-9, 0.0]]))
    assert weights.minus.tolist() == [pytest.approx([1.0, 0.25, 10.0, 10.0, 10.0], rel=1e-6)]
    assert weights.plus.tolist() == [[1.0] * 5]
