import math

import pytest
import torch

from counterpoise.credit import SignWeights, credit_metrics
from counterpoise.credit.by_task_type import credit_columns, task_type_metrics
from counterpoise.types import Batch, Credit


def test_task_types_have_their_own_columns_and_an_absent_one_is_undefined():
    batch = Batch(
        rewards=torch.tensor([1.0, -1.0, -1.0, -1.0], dtype=torch.float64),
        correct=torch.tensor([True, False, False, False]),
        scored=torch.tensor([True, True, True, True]),
        group_ids=torch.tensor([0, 0, 1, 1]),
        lengths=torch.tensor([3, 1, 2, 2]),
        surprisal=torch.tensor([3.0, 1.0, 1.0, 3.0], dtype=torch.float64),
        task_types=["sums", "sums", "words", "words"],
    )
    credit = Credit(plus=torch.tensor([0.5, 0.0, 0.0, 0.0]), minus=torch.tensor([0.0, 0.5, 1.0, 1.0]))
    weights = torch.tensor([1.0, 1.0, 0.5, 0.5]), torch.ones(4)
    assert task_type_metrics(["sums"], batch, *weights) == {}
    assert credit_columns(["sums"], credit, batch) == credit_metrics(credit, batch)
    kinds = ["logic", "sums", "words"]
    found = credit_columns(kinds, credit, batch) | task_type_metrics(kinds, batch, *weights)
    means = {name: value.mean for name, value in found.items()}
    assert (means["success_rate/sums"], means["success_rate/words"]) == (0.5, 0.0)
    assert (means["coverage/sums"], means["coverage/words"]) == (1.0, 0.0)
    # 0.5 of 0.5 + 0.5 by rows; 1.5 of 1.5 + 0.5 by tokens
    assert (means["polarity_share_rows/sums"], means["polarity_share_tokens/sums"]) == (0.5, 0.75)
    # (3 + 1) / (3 + 1); (1 + 3) / (2 + 2)
    assert (means["entropy_sampled/sums"], means["entropy_sampled/words"]) == (1.0, 1.0)
    assert (means["lambda_plus/sums"], means["lambda_plus/words"], means["lambda_minus/words"]) == (1.0, 0.5, 1.0)
    own = task_type_metrics(["sums", "words"], batch, *weights, SignWeights(plus=0.1))
    assert (own["weight_plus/words"].mean, own["weight_minus/words"].mean) == (pytest.approx(0.05), 1.0)
    assert all(math.isnan(value) for name, value in means.items() if name.endswith("/logic"))
    assert {name.removesuffix("/logic") for name in means if name.endswith("/logic")} == {
        name.removesuffix("/sums") for name in means if name.endswith("/sums")
    }
