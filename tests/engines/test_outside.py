"""What adapters share: rewards of another engine as a batch, shares of rows, and what cannot be said to TRL."""

import math
from types import SimpleNamespace

import pytest
import torch

from counterpoise.credit import RULES, Needs, needs_of
from counterpoise.engines.outside import compose, rewarded_batch, rollout_columns, row_shares
from counterpoise.engines.trl.checks import check_arguments, remarks
from counterpoise.engines.trl.rewards import completion_text, verdict_reward
from counterpoise.errors import ConfigError, DataError, UnknownNameError, UsageError

NAN = float("nan")


def batch(rewards, lengths=None, low=0.0, high=1.0):
    rewards = torch.tensor(rewards)
    return rewarded_batch(
        rewards,
        low=low,
        high=high,
        group_ids=torch.arange(len(rewards)) // 2,
        lengths=torch.tensor(lengths or [4] * len(rewards)),
    )


def test_rewards_of_any_range_are_right_wrong_graded_or_unscored():
    made = batch([1.0, 0.0, 0.25, NAN])
    assert made.rewards[:3].tolist() == [1.0, -1.0, -0.5] and made.rewards[3].isnan()
    assert made.correct.tolist() == [True, False, False, False]
    assert made.scored.tolist() == [True, True, True, False]
    assert batch([5.0, -5.0], low=-5, high=5).rewards.tolist() == [1.0, -1.0]


def test_a_row_without_tokens_is_unscored():
    made = batch([0.0, 1.0], lengths=[0, 3])
    assert made.scored.tolist() == [False, True] and made.rewards[0].isnan()


@pytest.mark.parametrize("reward", [1.5, -0.5, float("inf")])
def test_a_reward_outside_its_range_names_its_row(reward):
    with pytest.raises(DataError, match=r"rollout 1 of the batch .* lie in \[0, 1\].*reward_range"):
        batch([0.0, reward])


def test_an_infinite_part_names_its_row():
    parts = {"form": torch.tensor([0.5, math.inf])}
    ids, lengths = torch.zeros(2).long(), torch.ones(2).long()
    with pytest.raises(
        DataError, match=r"rollout 1 of the batch has inf as its part 'form'; give a finite number, or None"
    ):
        rewarded_batch(torch.tensor([1.0, 0.0]), low=0, high=1, group_ids=ids, lengths=lengths, parts=parts)


@pytest.mark.parametrize(
    ("denominator", "wanted"),
    [
        # lengths 2, 4, 6, 8; the last is unscored, nsr gives the first no credit
        ("tokens_all", [1 / 12, 1 / 12, 1 / 12]),
        ("tokens_signed", [1 / 10, 1 / 10, 1 / 10]),
        ("sequences", [1 / 3, 1 / 3, 1 / 3]),
        ("sequence_mean", [1 / 6, 1 / 12, 1 / 18]),
        ("constant", [1 / 48, 1 / 48, 1 / 48]),
    ],
)
def test_shares_of_rows_are_the_denominators_derivative(denominator, wanted):
    parts = compose("nsr", engine="here", steps=1, length=16, denominator=denominator)
    made = batch([1.0, 0.0, 0.0, NAN], lengths=[2, 4, 6, 8])
    credit, _ = parts.step(made)
    assert row_shares(parts.divide, credit, made, made.scored)[:3].tolist() == pytest.approx(wanted)


def test_columns_of_rollouts_are_the_local_engines():
    rewards = torch.tensor([1.0, 0.0, 0.25, NAN])
    made = rewarded_batch(
        rewards, low=0, high=1, group_ids=torch.zeros(4).long(), lengths=torch.tensor([2, 4, 6, 8]),
        surprisal=torch.tensor([1.0, 3.0, 2.0, 4.0]),
    )  # fmt: skip
    means = {name: column.mean for name, column in rollout_columns(made).items()}
    assert means == {
        "reward": pytest.approx((1.0 - 1.0 - 0.5) / 3),  # as the rule gets it, unscored left out
        "response_tokens_correct": 2.0, "response_tokens_wrong": 5.0,
        "entropy_sampled": 0.5,  # 10 nats over 20 tokens, the unscored one's too
        "entropy_sampled_correct": 0.5, "entropy_sampled_wrong": 0.5,
    }  # fmt: skip
    assert "entropy_sampled" not in rollout_columns(batch([1.0, 0.0]))


@pytest.mark.parametrize(
    ("credit", "needed"),
    [
        ("nsr", False),
        ({"rule": "grpo", "emphasis": "focal"}, False),
        ({"rule": "reinforce", "controller": "accuracy"}, False),
        ("fade", True),
        ({"rule": "reinforce", "controller": "entropy_step"}, True),
        ({"rule": "reinforce", "controller": "share"}, True),
    ],
)
def test_who_reads_the_surprisal_says_so(credit, needed):
    assert compose(credit, engine="here", steps=4, length=16).needs_surprisal is needed


READS_NONE = sorted(name for name in RULES if not needs_of(name) & (Needs.CRITIC | Needs.PARTS | Needs.SURPRISAL))


@pytest.mark.parametrize("rule", READS_NONE)
def test_every_other_rule_gives_the_same_credit_without_it(rule):
    table = {"rule": rule, "settings": {"k": 2}} if rule == "passk" else rule
    rewards = torch.tensor([1.0, 0.0, 0.0, 1.0, 0.0, 0.0, 1.0, 1.0])
    for later in (1.0, 0.2):  # a first step may be what later ones are compared with
        surprisal = later * torch.arange(1.0, 9.0)
        found = []
        for known in (None, surprisal):
            made = rewarded_batch(
                rewards, low=0, high=1, group_ids=torch.arange(8) // 4, lengths=torch.full((8,), 4), surprisal=known
            )
            parts = compose(table, engine="here", steps=4, length=16)
            parts.step(made)
            found.append(parts.step(made)[0].advantages)
        assert torch.equal(*found)


def test_where_nothing_has_credit_no_row_counts():
    parts = compose("psr", engine="here", steps=1, length=16)
    made = batch([0.0, 0.0])
    credit, _ = parts.step(made)
    assert row_shares(parts.divide, credit, made, made.scored).tolist() == [0.0, 0.0]


@pytest.mark.parametrize(
    ("credit", "error", "says"),
    [
        ("nrs", UnknownNameError, "did you mean 'nsr'"),
        ("ppo", UsageError, "needs a critic, and TRL trains none"),
        ({"rule": "nsr", "filter": "nothing"}, UnknownNameError, "credit.filter"),
        (
            {"rule": "hinge", "reward": "graded"},
            UsageError,
            "credit.reward=graded is what a verdict of ours is worth, and TRL",
        ),
        ({"rule": "nsr", "token_weights": "probability"}, UsageError, "log-probabilities of every token"),
        ({"rle": "nsr"}, ConfigError, "did you mean 'rule'"),
        (3, ConfigError, "give the name of a rule"),
    ],
)
def test_parts_that_are_refused(credit, error, says):
    with pytest.raises(error, match=says):
        compose(credit, engine="TRL", steps=1, length=16)


def arguments(**other):
    return SimpleNamespace(
        **{
            "loss_type": "dapo", "use_vllm": False, "top_p": 1.0, "top_k": 0, "beta": 0.0, "mask_truncated_completions": True,
            "vllm_importance_sampling_correction": True, "entropy_coef": 0.0, "use_adaptive_entropy": False,
            "gradient_accumulation_steps": 1, "world_size": 1, "top_entropy_quantile": 1.0, "use_liger_kernel": False,
            "multi_objective_aggregation": "sum_then_normalize", **other,
        }
    )  # fmt: skip


@pytest.mark.parametrize("truncation", [{"top_p": 0.9}, {"top_k": 50}])
def test_log_probabilities_of_a_truncated_distribution_are_refused(truncation):
    for ends in ((0, math.inf), (math.nan, 1), (False, True), ("0", "1"), "01", 5, None):
        with pytest.raises(ConfigError, match="reward_range="):
            check_arguments(arguments(), denominator=None, reward_range=ends)
    check_arguments(arguments(**truncation), denominator=None, reward_range=(0, 1))  # generate's are of the whole
    with pytest.raises(UsageError, match="train with top_p=1 and top_k=0"):
        check_arguments(arguments(use_vllm=True, **truncation), denominator=None, reward_range=(0, 1))
    assert remarks(arguments()) == []


@pytest.mark.parametrize(
    "given",
    [
        {"top_entropy_quantile": 0.2},
        {"multi_objective_aggregation": "normalize_then_sum"},
        {"use_liger_kernel": True},
    ],
)
def test_what_would_be_another_loss_or_nothing_is_refused(given):
    with pytest.raises(UsageError, match=f"^{next(iter(given))}=.*leave it out") as refused:
        check_arguments(arguments(**given), denominator=None, reward_range=(0, 1))
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("bonus", [{"entropy_coef": 0.01}, {"use_adaptive_entropy": True}])
def test_an_entropy_bonus_is_said_to_depend_on_microbatches(bonus):
    (whole,) = remarks(arguments(**bonus))
    (cut,) = remarks(arguments(**bonus, gradient_accumulation_steps=4, world_size=2))
    assert "entropy gradient" in whole and "cut" not in whole and "here 8, so that it changes with how a batch" in cut


def test_a_verifier_as_a_reward_function():
    reward = verdict_reward("math", gold="solution")
    said = [[{"role": "assistant", "content": r"So \boxed{\frac{1}{2}}"}], r"\boxed{2}", "I give up", r"\boxed{3}"]
    assert reward(completions=said, solution=["0.5", "3", "4", "None"], prompts=[""] * 4) == [1.0, 0.0, 0.0, None]
    assert reward.__name__ == "math"
    with pytest.raises(DataError, match=r"no column 'solution' .* one of: answer"):
        reward(completions=said, answer=["1"] * 4)
    with pytest.raises(UnknownNameError, match="did you mean 'math'"):
        verdict_reward("mth")


def test_texts_of_messages():
    assert (
        completion_text([{"role": "assistant", "content": [{"type": "text", "text": "a"}, {"type": "image"}]}]) == "a"
    )
    assert completion_text([]) == "" and completion_text([{"role": "assistant", "content": None}]) == ""


def test_a_placebo_is_refused_where_rewards_are_made_elsewhere():
    with pytest.raises(
        UsageError, match=r"credit.reward=random draws a placebo where rewards are made, and TRL makes its own"
    ):
        compose({"rule": "nsr", "reward": "random"}, engine="TRL", steps=1, length=4)


@pytest.mark.parametrize("rule", ["area", "boundary", "fade", "asym_grpo"])
def test_rules_with_and_without_a_past_are_taken(rule):
    batch = rewarded_batch(
        torch.tensor([1.0, 0.0, 0.0, 0.0]),
        low=0.0,
        high=1.0,
        group_ids=torch.zeros(4).long(),
        lengths=torch.ones(4).long(),
    )
    credit, _ = compose(rule, engine="TRL", steps=1, length=4).step(batch)
    assert float(credit.plus[0]) > 0 and bool((credit.minus[1:] > 0).all())
