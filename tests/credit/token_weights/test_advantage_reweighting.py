import math

import pytest
import torch

from counterpoise.credit import make_token_weights


def test_the_line_by_hand(context):
    weights = make_token_weights("advantage_reweighting", a=0.2)(context([[math.log(0.5), math.log(0.1), 0.0]]))
    # 0.2 pi + 0.8
    assert weights.plus.tolist() == weights.minus.tolist() == [pytest.approx([0.9, 0.82, 1.0], rel=1e-6)]


def test_at_a_1_it_is_probability(context):
    given = context(-torch.rand(3, 4, generator=torch.Generator().manual_seed(1)))
    one, other = make_token_weights("advantage_reweighting", a=1.0)(given), make_token_weights("probability")(given)
    assert torch.equal(one.plus, other.plus) and torch.equal(one.minus, other.minus)
