import torch

from counterpoise.credit import anchor_weights
from counterpoise.types import Batch


def batch(correct: list[bool], scored: list[bool], groups: list[int]) -> Batch:
    return Batch(
        rewards=torch.tensor([1.0 if right else -1.0 for right in correct], dtype=torch.float64),
        correct=torch.tensor(correct),
        scored=torch.tensor(scored),
        group_ids=torch.tensor(groups),
        lengths=torch.ones(len(correct), dtype=torch.int64),
        task_types=["a"] * len(correct),
    )


# by group: 7 has one of four right, 3 all of two, 5 none of two; 9 has no verdict
ROWS = batch(
    [True, False, True, False, True, False, False, False, True],
    [True, True, True, True, True, True, True, True, False],
    [7, 7, 3, 7, 3, 7, 5, 5, 9],
)


def test_a_prompt_is_held_the_more_the_less_of_it_is_right() -> None:
    assert anchor_weights(ROWS, 2.0).tolist() == [0.5625, 0.5625, 0, 0.5625, 0, 0.5625, 1, 1, 1]
    assert anchor_weights(ROWS, 0.5).tolist()[:3] == [torch.tensor(0.75).sqrt().item()] * 2 + [0.0]


def test_no_focus_holds_all_alike_and_a_large_one_those_without_success() -> None:
    assert anchor_weights(ROWS, 0.0).tolist() == [1.0] * 9
    assert anchor_weights(ROWS, 1e4).tolist() == [0, 0, 0, 0, 0, 0, 1, 1, 1]


def test_an_unscored_rollout_moves_nobodys_weight() -> None:
    right = batch([True, False, True], [True, True, False], [0, 0, 0])
    assert anchor_weights(right, 1.0).tolist() == [0.5, 0.5, 0.5]
