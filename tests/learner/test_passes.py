from dataclasses import replace

import numpy as np
import pytest
import torch

from counterpoise.diagnostics.trained import TrainedTokens
from counterpoise.errors import UsageError


def test_log_probs_are_those_of_unpadded_rows_at_the_chosen_tokens(build):
    model = build.llama()
    rows = build.ragged(5)
    rows[2] = replace(rows[2], mask=np.arange(len(rows[2].mask)) % 2 == 0)
    rows[3] = replace(rows[3], mask=np.zeros_like(rows[3].mask))
    learner = build.learner(model, tokens_per_microbatch=16)
    model.train()
    found = learner.log_probs(rows)
    assert model.training
    assert len(found[3]) == 0
    for row, log_probs in zip(rows, found, strict=True):
        with torch.no_grad():
            expected = build.naive(model.eval(), row)[0].numpy()[row.mask]
        assert log_probs == pytest.approx(expected, abs=1e-5)
    assert learner.log_probs([]) == []


def test_log_probs_of_two_temperatures_are_refused(build):
    learner = build.learner(build.llama())
    with pytest.raises(UsageError, match=r"drawn at temperatures \[0.5, 1.0\]"):
        learner.log_probs([build.rollout(2, 2), build.rollout(2, 2, temperature=0.5)])


def test_who_observes_sees_every_trained_token_of_every_epoch_and_nothing_that_only_measures(build):
    rows = build.ragged(6)
    learner, tokens = build.learner(build.llama(), epochs=2, tokens_per_microbatch=16), TrainedTokens()
    report = learner.update(
        rows, build.credit(1, -1, 0, -1, 1, 0), torch.ones(6, dtype=torch.bool), [0, 0, 1, 1, 2, 2], seed=0,
        measure_signs=True, observe=tokens,
    )  # fmt: skip
    found = tokens.histograms()
    assert found["entropy"].count == report.tokens_trained == 2 * sum(len(rows[i].token_ids) for i in (0, 1, 3, 4))
    assert found["entropy_plus"].count == found["ratio_plus"].count == report.metrics["entropy_plus"].count
    assert (report.tokens_plus, report.tokens_minus) == (found["ratio_plus"].count, found["ratio_minus"].count)
    assert found["ratio_minus"].count == 2 * sum(len(rows[i].token_ids) for i in (1, 3))


def test_one_update_of_nsr_lowers_what_it_pushed_down(build):
    rows = build.ragged(4)
    learner = build.learner(build.llama(), learning_rate=1e-3)
    before = np.concatenate(learner.log_probs(rows))
    learner.update(rows, build.credit(-1, -1, -1, -1), torch.ones(4, dtype=torch.bool), [0, 0, 1, 1], seed=0)
    assert np.concatenate(learner.log_probs(rows)).mean() < before.mean()
