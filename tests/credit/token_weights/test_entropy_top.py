from types import SimpleNamespace

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st

from counterpoise.credit import make_token_weights


def test_the_top_fifth_of_the_batch_is_kept(context):
    # ten scored tokens: two are kept; the unscored row and the padding, most uncertain of all, are not part of the batch
    entropy = [[0.1, 0.9, 0.2, 9.0], [0.3, 0.8, 0.4, 0.5], [0.0, 0.1, 0.2, 9.0], [5.0, 5.0, 5.0, 5.0]]
    given_context = context(torch.zeros(4, 4), lengths=[3, 4, 3, 4], entropy=entropy, scored=[True, True, True, False])
    weights = make_token_weights("entropy_top")(given_context)
    assert weights.plus[:3].tolist() == weights.minus[:3].tolist() == [[0, 1, 0, 0], [0, 1, 0, 0], [0, 0, 0, 0]]


def test_the_threshold_is_that_of_all_processes(context):
    entropy = [[0.1, 0.2, 0.3, 0.4]]
    alone = make_token_weights("entropy_top", share=0.5)
    assert alone(context(torch.zeros(1, 4), entropy=entropy)).plus.tolist() == [[0, 0, 1, 1]]
    more = lambda mine: [*mine, np.array([0.35, 0.5, 0.6, 0.7])]  # noqa: E731
    assert alone(context(torch.zeros(1, 4), entropy=entropy, world=SimpleNamespace(gather=more))).plus.tolist() == [
        [0, 0, 0, 1]
    ]


@given(values=st.lists(st.sampled_from([0.0, 0.5, 1.0, 1.5, 2.0]), min_size=1, max_size=40), share=st.floats(0.01, 1.0))
def test_no_dropped_token_is_as_uncertain_as_a_kept_one(values, share):
    from counterpoise.credit.token_weights import TokenContext

    size = len(values)
    rows = torch.ones(1, dtype=torch.bool)
    entropy = torch.tensor([values])
    given_context = TokenContext(
        log_probs=torch.zeros(1, size),
        mask=torch.ones(1, size, dtype=torch.bool),
        token_ids=torch.zeros(1, size, dtype=torch.int64),
        group_ids=torch.zeros(1, dtype=torch.int64),
        correct=rows,
        scored=rows,
        entropy=entropy,
    )
    kept = make_token_weights("entropy_top", share=share)(given_context).plus[0] > 0
    assert int(kept.sum()) >= max(1, round(share * size) - 1)
    if not kept.all():
        assert entropy[0][kept].min() > entropy[0][~kept].max()
        # without the ties at the threshold it would be too few
        above = int((entropy[0] > entropy[0][kept].min()).sum())
        assert above < share * size + 1e-6
