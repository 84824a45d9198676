"""What the contract of engines measures with: it finds what differs, and a NaN is never taken for agreement."""

import dataclasses
import math

import pytest
import torch

from counterpoise.engines.contract import Answer, breaches, fixed_step, parity_gap, share_breaches


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


def test_a_share_of_a_step_is_held_against_the_whole_of_it():
    step = fixed_step(range(65, 70))
    own = step.rows([9, 2])
    assert (own.responses, own.rewards, own.groups) == ([step.responses[9], step.responses[2]], [1.0, 0.0], [1, 0])
    assert own.parts["form"] == [step.parts["form"][9], step.parts["form"][2]]
    wanted = torch.tensor([0.5, -0.5, 0.25, -1.0, 0.0])
    assert share_breaches([wanted[:1], wanted[1:]], wanted) == share_breaches([wanted[:0], wanted], wanted) == []
    assert share_breaches([wanted[:1], wanted[2:]], wanted) == ["the processes have credit for 4 rollouts of 5"]
    (said,) = share_breaches([wanted[:1], torch.tensor([-0.5, 0.75, -1.0, 0.0])], wanted)
    assert said == (
        "process 1: 1 of its 4 rollouts have other credit; rollout 1 of them has 0.75, and with the rollouts of all 2 processes it is 0.25"
    )
    assert len(share_breaches([wanted[:1] * math.nan, wanted[1:]], wanted)) == 1
    by_token = torch.stack([wanted, wanted], dim=1)
    assert share_breaches([by_token[:3], by_token[3:]], by_token) == []
