"""Contexts of token weights from what a test says of them."""

import pytest
import torch

from counterpoise.credit import TokenContext


def build_context(
    log_probs,
    *,
    lengths=None,
    token_ids=None,
    correct=None,
    scored=None,
    group_ids=None,
    entropy=None,
    entropy_slope=None,
    **fields,
):
    log_probs = torch.as_tensor(log_probs, dtype=torch.float32)
    rows, span = log_probs.shape
    lengths = torch.tensor([span] * rows if lengths is None else lengths)
    as_tensor = lambda value: None if value is None else torch.as_tensor(value, dtype=torch.float32)  # noqa: E731
    return TokenContext(
        log_probs=log_probs,
        mask=torch.arange(span) < lengths[:, None],
        token_ids=torch.zeros(rows, span, dtype=torch.int64) if token_ids is None else torch.tensor(token_ids),
        group_ids=torch.zeros(rows, dtype=torch.int64) if group_ids is None else torch.tensor(group_ids),
        correct=torch.zeros(rows, dtype=torch.bool) if correct is None else torch.tensor(correct),
        scored=torch.ones(rows, dtype=torch.bool) if scored is None else torch.tensor(scored),
        entropy=as_tensor(entropy),
        entropy_slope=as_tensor(entropy_slope),
        **fields,
    )


@pytest.fixture
def context():
    return build_context
