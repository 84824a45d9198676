import torch
from torch import nn

from counterpoise.learner.optimiser import make_optimiser, trainable_parameters
from counterpoise.learner.settings import LearnerSettings


def test_tied_embeddings_are_one_parameter(build):
    tied, free = (len(trainable_parameters(build.llama(tied=tied))) for tied in (True, False))
    assert free == tied + 1


def test_first_step_is_the_rate_in_every_coordinate_after_decay():
    parameter = nn.Parameter(torch.tensor([2.0]))
    optimiser = make_optimiser([parameter], LearnerSettings(learning_rate=0.1, weight_decay=0.5, epsilon=0.0))
    parameter.grad = torch.tensor([7.0])
    optimiser.step()
    assert abs(parameter.item() - 1.8) < 1e-6  # 2 * (1 - 0.1 * 0.5) - 0.1 * sign(7)
