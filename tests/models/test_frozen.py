"""The fingerprint of weights that a run reads again: what changes it, and what does not."""

import pytest
import torch
from torch import nn

from counterpoise.models.frozen import frozen_base


@pytest.fixture
def model():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(40, 50), nn.LayerNorm(50), nn.Linear(50, 3, bias=False))


def test_a_policy_that_is_trained_whole_has_none(model):
    assert frozen_base(model) is None
    assert frozen_base(model, None, None) is None


def test_trained_weights_do_not_count_and_frozen_ones_do(model):
    model[0].requires_grad_(False)
    before = frozen_base(model)
    with torch.no_grad():
        model[2].weight += 1
    assert frozen_base(model) == before
    with torch.no_grad():
        model[0].weight *= 1.001
    assert frozen_base(model) != before


def test_a_reference_counts_whole_and_the_first_one_alone(model):
    other = nn.Linear(4, 4)
    whole = frozen_base(other, model)
    assert frozen_base(other, None, model, other) == whole
    with torch.no_grad():
        model[2].weight.add_(1e-3)
    assert frozen_base(other, model) != whole


def test_every_tensor_counts_in_its_precision_shape_and_name():
    same = [nn.Linear(8, 8, bias=False) for _ in range(2)]
    same[1].load_state_dict(same[0].state_dict())
    assert frozen_base(nn.Identity(), same[0]) == frozen_base(nn.Identity(), same[1])
    as_bfloat16 = same[1].to(torch.bfloat16)
    assert frozen_base(nn.Identity(), same[0]) != frozen_base(nn.Identity(), as_bfloat16)
    reshaped = nn.Linear(16, 4, bias=False)
    reshaped.weight.data = same[0].weight.data.reshape(4, 16).clone()
    assert frozen_base(nn.Identity(), reshaped) != frozen_base(nn.Identity(), same[0])
