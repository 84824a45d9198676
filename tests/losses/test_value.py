import pytest
import torch

from counterpoise.errors import ConfigError, UsageError
from counterpoise.losses.value import ValueLoss

MASK = torch.tensor([[True, True, False], [True, False, False]])
RETURNS = torch.tensor([[1.0, -1.0, 7.0], [0.5, 7.0, 7.0]])
OLD = torch.zeros(2, 3)


def value_and_gradient(values, clip):
    leaf = torch.tensor(values, requires_grad=True)
    output = ValueLoss(clip=clip)(values=leaf, old_values=OLD, returns=RETURNS, mask=MASK)
    (gradient,) = torch.autograd.grad(output.row_sums.sum(), leaf)
    return output, gradient


def test_the_loss_is_half_the_squared_error_and_its_gradient_the_error():
    output, gradient = value_and_gradient([[0.5, 0.0, 3.0], [0.25, 0.0, 0.0]], None)
    # (0.5^2 + 1^2) / 2 and 0.25^2 / 2; what is outside the mask counts nowhere
    assert output.row_sums.tolist() == [0.625, 0.03125]
    assert output.lengths.tolist() == [2, 1]
    assert gradient.tolist() == [[-0.5, 1.0, 0.0], [-0.25, 0.0, 0.0]]


def test_a_value_that_moved_far_towards_its_return_has_no_gradient_and_one_that_moved_away_has():
    # the first moved 0.8 towards 1: bounded at 0.5, (0.5 - 1)^2 > (0.8 - 1)^2; the second moved 0.8 away from -1
    output, gradient = value_and_gradient([[0.8, 0.8, 0.0], [0.25, 0.0, 0.0]], 0.5)
    assert output.row_sums.tolist() == pytest.approx([(0.25 + 1.8**2) / 2, 0.03125])
    assert gradient.tolist()[0] == pytest.approx([0.0, 1.8, 0.0])
    assert (output.metrics["value_clipped"].total, output.metrics["value_clipped"].count) == (1.0, 3.0)


def test_inside_the_clip_it_is_the_plain_loss():
    values = [[0.3, -0.2, 0.0], [-0.1, 0.0, 0.0]]
    (clipped, one), (plain, other) = (value_and_gradient(values, clip) for clip in (0.5, None))
    assert torch.equal(one, other)
    assert torch.equal(clipped.row_sums, plain.row_sums)


def test_mistakes_are_named():
    with pytest.raises(ConfigError, match=r"critic: clip = 0; expected a number in \(0, inf\)"):
        ValueLoss(clip=0)
    with pytest.raises(UsageError, match=r"returns has shape \(2, 2\); expected \(2, 3\) like values"):
        ValueLoss()(values=OLD, old_values=OLD, returns=RETURNS[:, :2], mask=MASK)
