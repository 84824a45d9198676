import math
from dataclasses import replace

import numpy as np
import pytest

from counterpoise.diagnostics.rollouts import by_verdict, repeated_share, rollout_metrics, surprisal_histograms
from counterpoise.types import Reward, Rollout, StopReason, Verdict, VerdictValue

CORRECT, WRONG, NO_ANSWER, UNSCORED = (VerdictValue(name) for name in ("correct", "wrong", "no_answer", "unscored"))


def _rollout(ids, log_probs=None, stop=StopReason.EOS):
    return Rollout(
        problem_id="p",
        prompt_ids=np.array([1]),
        token_ids=np.array(ids),
        mask=np.ones(len(ids), dtype=np.bool_),
        log_probs=np.array(log_probs or [-1.0] * len(ids), dtype=np.float32),
        text="",
        temperature=1.0,
        stop_reason=stop,
        policy_version=0,
    )


def _verdict(value, answer=None):
    return Verdict(value=value, answer=answer, basis="-", seconds=0.0, verifier="v", version="1")


ROLLOUTS = [
    _rollout([1, 2, 3, 4, 5]),
    _rollout([1, 1, 1, 1, 1, 1], stop=StopReason.LENGTH),
    _rollout([7], [-3.0]),
    _rollout([8, 8], stop=StopReason.LENGTH),
]
VERDICTS = [_verdict(CORRECT, "7"), _verdict(WRONG, "8"), _verdict(NO_ANSWER), _verdict(UNSCORED)]
REWARDS = [Reward(value=value) for value in (1.0, -1.0, -1.0, math.nan)]


def test_reasons_of_unscored_rollouts_and_blamed_answers_are_counted():
    told = ["timeout: 5 s of processor time", "crash: ValueError: x", "memory: the worker's limit was reached"]
    told += ["unparsable gold: it is empty", "truncated", None]
    verdicts = [replace(VERDICTS[3], reason=reason) for reason in told]
    verdicts += [replace(VERDICTS[1], basis="boxed/intractable_answer", reason=told[0]), VERDICTS[0]]
    rollouts, rewards = [ROLLOUTS[0]] * 8, [*[REWARDS[3]] * 6, REWARDS[1], REWARDS[0]]
    means = {name: sum.mean for name, sum in rollout_metrics(rollouts, verdicts, rewards, group_size=8).items()}
    # one of eight each; others are the unreadable gold and the one without a reason; being cut off has truncated_share
    assert [means[f"unscored_{kind}"] for kind in ("timeout", "crash", "memory", "other")] == [
        1 / 8,
        1 / 8,
        1 / 8,
        2 / 8,
    ]
    assert means["intractable_share"] == 1 / 2  # of the two that are scored


def test_rows_by_verdict_leave_the_unscored_out_of_right_and_wrong():
    assert by_verdict(VERDICTS) == {"": [0, 1, 2, 3], "_correct": [0], "_wrong": [1, 2]}


@pytest.mark.parametrize(
    ("ids", "share"),
    [
        # one 4-gram, 1234; 1234 2345: none repeated; 1111 three times, one of them new: 2/3
        ([1, 2, 3, 4], 0.0),
        ([1, 2, 3, 4, 5], 0.0),
        ([1, 1, 1, 1, 1, 1], 2 / 3),
        # 1212 2121 1212: one of three repeated
        ([1, 2, 1, 2, 1, 2], 1 / 3),
        ([1, 2, 3], math.nan),
    ],
)
def test_share_of_repeated_4_grams(ids, share):
    assert repeated_share(ids) == pytest.approx(share, nan_ok=True)


def test_means_by_verdict():
    means = {name: sum.mean for name, sum in rollout_metrics(ROLLOUTS, VERDICTS, REWARDS, group_size=2).items()}
    assert means["reward"] == pytest.approx(-1 / 3)
    assert means["no_answer_share"] == pytest.approx(1 / 3)
    # (5 + 6 + 1 + 2) / 4; 5; (6 + 1) / 2
    assert [means[f"response_tokens{who}"] for who in ("", "_correct", "_wrong")] == [3.5, 5.0, 3.5]
    # rows 1 and 3 of four; of the right none; of the wrong row 1 of two
    assert [means[f"truncated_share{who}"] for who in ("", "_correct", "_wrong")] == [0.5, 0.0, 0.5]
    # responses of four tokens or more: row 0 (0) and row 1 (2/3)
    assert [means[f"repetition{who}"] for who in ("", "_correct", "_wrong")] == pytest.approx([1 / 3, 0.0, 2 / 3])
    # (5 + 6 + 3 + 2) / 14 tokens; 1; (6 + 3) / 7
    entropies = [means[f"entropy_sampled{who}"] for who in ("", "_correct", "_wrong")]
    assert entropies == pytest.approx([16 / 14, 1.0, 9 / 7])


def test_distinct_answers_are_counted_within_groups_that_have_any():
    verdicts = [_verdict(WRONG, "7"), _verdict(CORRECT, "8"), _verdict(WRONG, "7"), _verdict(NO_ANSWER)]
    rollouts, rewards = [_rollout([1])] * 8, [Reward(value=0.0)] * 8
    metrics = rollout_metrics(rollouts, verdicts + [_verdict(NO_ANSWER)] * 4, rewards, group_size=4)
    # {7, 8} in the first group; none in the second, which is left out
    assert (metrics["distinct_answers"].total, metrics["distinct_answers"].count) == (2, 1)


def test_surprisals_of_every_token():
    histograms = surprisal_histograms(ROLLOUTS, VERDICTS)
    assert {name: found.count for name, found in histograms.items()} == {
        "surprisal": 14, "surprisal_correct": 5, "surprisal_wrong": 7,
    }  # fmt: skip
    # six of the seven tokens of wrong responses have 1 nat, one 3
    assert histograms["surprisal_wrong"].quantile(0.5) == pytest.approx(1.0, rel=0.01)
    assert histograms["surprisal_wrong"].high == 3.0
    assert surprisal_histograms([], [])["surprisal"].count == 0
