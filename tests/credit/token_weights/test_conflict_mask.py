import torch
from hypothesis import given
from hypothesis import strategies as st

from counterpoise.credit import TokenContext, make_token_weights

END = 0


def test_a_tree_by_hand(context):
    responses = [
        [1, 2, 3, END],  # right
        [1, 2, 4, END],  # wrong: 1 2 is the way of the first
        [1, 3, 3, END],  # wrong: 1 alone; 3 stands there too, but behind another prefix
        [5, 2, 3, END],  # wrong from its first token on
        [1, 2, 3, 9],  # wrong and cut off behind 1 2 3
        [1, 2, END, 3],  # unscored and said to be right: nobody follows it
        [1, 2, 4, END],  # another group without a right one
    ]
    given_context = context(
        torch.zeros(7, 4),
        token_ids=responses,
        lengths=[4, 4, 4, 4, 3, 3, 4],
        correct=[True, False, False, False, False, True, False],
        scored=[True] * 5 + [False, True],
        group_ids=[2, 2, 2, 2, 2, 2, 8],
    )
    weights = make_token_weights("conflict_mask")(given_context)
    assert weights.minus.tolist() == [
        [1, 1, 1, 1],
        [0, 0, 1, 1],
        [0, 1, 1, 1],
        [1, 1, 1, 1],
        [0, 0, 0, 0],
        [1, 1, 1, 0],
        [1, 1, 1, 1],
    ]
    assert torch.equal(weights.plus, torch.ones(7, 4).double())


@given(seed=st.integers(0, 10**6), rows=st.integers(1, 12))
def test_it_is_what_the_definition_says(seed, rows):
    draw = torch.Generator().manual_seed(seed)
    tokens = torch.randint(0, 2, (rows, 4), generator=draw)
    lengths = torch.randint(1, 5, (rows,), generator=draw)
    group = torch.randint(0, 2, (rows,), generator=draw)
    correct, scored = torch.rand(rows, generator=draw) < 0.4, torch.rand(rows, generator=draw) < 0.9
    mask = torch.arange(4) < lengths[:, None]
    context = TokenContext(
        log_probs=torch.zeros(rows, 4), mask=mask, token_ids=tokens, group_ids=group, correct=correct, scored=scored
    )
    found = make_token_weights("conflict_mask")(context).minus
    paths = {
        (int(group[row]), *tokens[row, : t + 1].tolist())
        for row in range(rows)
        if correct[row] and scored[row]
        for t in range(int(lengths[row]))
    }
    for row in range(rows):
        for t in range(int(lengths[row])):
            shared = (int(group[row]), *tokens[row, : t + 1].tolist()) in paths
            expected = 0.0 if shared and scored[row] and not correct[row] else 1.0
            assert float(found[row, t]) == expected
