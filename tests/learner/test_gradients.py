import math

import pytest
import torch
from torch import nn

from counterpoise.learner.gradients import clip_gradients, flat_gradient, sign_statistics


def _parameters(*gradients):
    found = []
    for gradient in gradients:
        parameter = nn.Parameter(torch.zeros(2))
        parameter.grad = None if gradient is None else torch.tensor(gradient)
        found.append(parameter)
    return found


def test_clipping_scales_the_whole_gradient_and_tells_the_norm_before():
    parameters = _parameters([3.0, 0.0], None, [0.0, 4.0])
    assert clip_gradients(parameters, 1.0).item() == pytest.approx(5.0)  # sqrt(9 + 16)
    assert flat_gradient(parameters).tolist() == pytest.approx([0.6, 0, 0, 0, 0, 0.8], abs=1e-6)


def test_a_gradient_within_the_limit_and_one_without_a_limit_stay_as_they_are():
    parameters = _parameters([3.0, 4.0])
    assert clip_gradients(parameters, 10.0).item() == clip_gradients(parameters, None).item() == 5.0
    assert flat_gradient(parameters).tolist() == [3.0, 4.0]


def test_opposite_gradients_have_cosine_minus_one():
    assert sign_statistics(torch.tensor([3.0, 4.0]), torch.tensor([-6.0, -8.0])) == pytest.approx((5.0, 10.0, -1.0))
    assert math.isnan(sign_statistics(torch.zeros(2), torch.ones(2))[2])
