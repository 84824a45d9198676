"""What the contract of engines measures with: it finds what differs, and a NaN is never taken for agreement."""

import dataclasses
import math

import pytest
import torch

from counterpoise.engines.contract import Answer, breaches, fixed_step, parity_gap


def answer(weight=0.5, loss=-0.25, gradient=2.0, rows=2, span=3):
    weights = torch.zeros(rows, span)
    weights[1, 2 if span > 2 else 0] = weight
    return Answer(weights=weights, loss=loss, gradient={"head": torch.full((4,), gradient)})


def test_what_is_the_same_keeps_it():
    assert breaches(answer(), answer()) == []
    wider = dataclasses.replace(answer(), weights=torch.nn.functional.pad(answer().weights, (0, 5)))
    assert breaches(wider, answer()) == breaches(answer(), wider) == []


@pytest.mark.parametrize(
    ("found", "says"),
    [
        (answer(weight=0.5 + 1e-6), "weights: token 2 of rollout 1 has 0.500001, and its credit over the denominator is 0.5"),
        (answer(weight=math.nan), "weights: token 2 of rollout 1 has nan"),
        (answer(loss=-0.25 + 2e-6), "loss: -0.249998, and it should be -0.25"),
        (answer(loss=math.nan), "loss: nan"),
        (answer(gradient=2.00001), "gradient: differs by 2e-05, and its norm should be 4"),
        (answer(gradient=math.inf), "gradient: differs by inf"),
        (dataclasses.replace(answer(), gradient={"body": torch.ones(4)}), "gradient: one of the two has none for body, head"),
        (answer(rows=3), "the engine answers for 3 rollouts of 2"),
    ],
)  # fmt: skip
def test_what_differs_is_named(found, says):
    assert [line for line in breaches(found, answer()) if line.startswith(says)] != []


def test_two_zeros_agree_and_one_does_not():
    nothing = answer(weight=0.0, loss=0.0, gradient=0.0)
    assert breaches(nothing, nothing) == []
    assert len(breaches(answer(), nothing)) == 3


def test_the_gap_of_a_sampler_is_that_of_its_tokens():
    sampler, trainer = torch.tensor([[-1.0, -2.0, 0.0]]), torch.tensor([[-1.0, -2.25, 9.0]])
    assert parity_gap(sampler, trainer, torch.tensor([[1, 1, 0]])) == 0.25
    assert math.isnan(parity_gap(sampler * math.nan, trainer, torch.tensor([[1, 1, 0]])))


def test_the_step_has_every_kind_of_group_and_only_the_ids_it_was_given():
    step = fixed_step(range(65, 70))
    groups = [set(step.rewards[first : first + 8]) for first in range(0, 32, 8)]
    assert groups == [{1.0, 0.0}, {1.0}, {0.0}, {1.0, 0.0, None}]
    assert {one for ids in (*step.prompts, *step.responses) for one in ids} == set(range(65, 70))
    assert sorted(set(step.lengths)) == [3, 4, 5, 6, 7, 8, 9]
