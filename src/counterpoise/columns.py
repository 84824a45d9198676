"""The columns of metrics.jsonl: name, unit, meaning, and which direction is better, where one is.

docs/engines.md has the same tables for readers; a test holds the two and a run's own columns together.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from counterpoise.errors import ConfigError, nearest

__all__ = ["COLUMNS", "STAND_INS", "Column", "find_scored"]

Direction = Literal["higher", "lower"]

STAND_INS: Final[Mapping[str, str]] = {"weight_plus": "lambda_plus", "weight_minus": "lambda_minus"}
"""What is shown for a column where a step of an earlier version has none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """One number of a step."""

    name: str
    """Name in metrics.jsonl."""
    unit: str
    """What it is measured in."""
    meaning: str
    """What it is, in a phrase; columns that are explained together share it."""
    better: Direction | None = None
    """Which values are better; None where neither is, or where it depends on the run."""
    critic: bool = False
    """Whether only runs with a critic have it."""


def find_scored(name: str, types: Sequence[str] | None = None) -> Column:
    """The column that tells good checkpoints from bad ones by `name`; `NAME/TYPE` is that of one task type, in runs with several.

    Args:
        name: as a run file has it.
        types: the run's task types, where they are known.

    Raises:
        ConfigError: there is no such column, neither direction of it is better, or the run has no such task type beside others.
    """
    base, slash, kind = name.partition("/")
    scored = [column.name for column in COLUMNS.values() if column.better is not None]
    if base not in COLUMNS or (slash and base not in _PER_TYPE):
        known = [*scored, *(f"{own}/TYPE" for own in _PER_TYPE)]
        raise ConfigError(
            f"'{name}' is not a column that a checkpoint can be the best by{nearest(f'{base}/TYPE' if slash else name, known)}; "
            f"one of: {', '.join(known)}"
        )
    if COLUMNS[base].better is None:
        raise ConfigError(
            f"neither a high nor a low '{name}' is better, so no checkpoint can be the best by it; one of: {', '.join(scored)}"
        )
    if slash and types is not None and (kind not in types or len(types) < 2):
        has = (
            f"the task types {', '.join(types)}" if len(types) > 1 else "one task type, which has no columns of its own"
        )
        raise ConfigError(f"'{name}' is the column of a task type, and this run has {has}{nearest(kind, types)}")
    return COLUMNS[base]


def _row(
    names: str, unit: str, meaning: str, *, better: Direction | None = None, critic: bool = False
) -> tuple[Column, ...]:
    return tuple(Column(name=name, unit=unit, meaning=meaning, better=better, critic=critic) for name in names.split())


_COLUMNS: Final = (
    # Rollouts and verdicts
    *_row("reward", "reward", "mean over scored rollouts", better="higher"),
    *_row("success_rate", "share", "correct among scored rollouts", better="higher"),
    *_row("no_answer_share", "share", "scored rollouts in which no answer was found", better="lower"),
    *_row("unscored", "share", "rollouts without a verdict", better="lower"),
    *_row(
        "unscored_timeout unscored_crash unscored_memory unscored_other",
        "share",
        "of all rollouts, those unscored for this kind of reason",
        better="lower",
    ),
    *_row(
        "intractable_share",
        "share",
        "of the scored rollouts, answers called wrong because they alone made the verifier hang or crash (`verification.blame`)",
        better="lower",
    ),
    *_row(
        "coverage", "share", "scored groups with a success: pass@k at k = the group's scored rollouts", better="higher"
    ),
    *_row("groups_all_right", "share", "of all groups", better="higher"),
    *_row("groups_all_wrong groups_unscored", "share", "of all groups", better="lower"),
    *_row("groups_mixed", "share", "of all groups"),
    *_row("distinct_answers", "answers", "different answers (as texts) in a group, over groups with any"),
    *_row(
        "response_tokens response_tokens_correct response_tokens_wrong",
        "tokens",
        "mean length of all, correct and wrong responses",
    ),
    *_row(
        "truncated_share truncated_share_correct truncated_share_wrong",
        "share",
        "of these, responses that hit `rollout.max_tokens`",
        better="lower",
    ),
    *_row(
        "repetition repetition_correct repetition_wrong",
        "share",
        "4-grams of tokens that stood earlier in the same response, mean over responses of four tokens or more",
        better="lower",
    ),
    *_row(
        "entropy_sampled entropy_sampled_correct entropy_sampled_wrong",
        "nats",
        "mean of -log p over the sampled tokens of all, correct and wrong responses: an unbiased estimate "
        "of the policy's entropy (without top-k and top-p), on the same rows whatever the rule",
    ),
    *_row("surprisal_p50 surprisal_p90 surprisal_p99", "nats", "quantiles of -log p over all sampled tokens"),
    *_row(
        "surprisal_correct_p50 surprisal_correct_p90 surprisal_correct_p99", "nats", "over those of correct responses"
    ),
    *_row("surprisal_wrong_p50 surprisal_wrong_p90 surprisal_wrong_p99", "nats", "over those of wrong responses"),
    # Credit
    *_row("plus minus", "credit", "positive and negative credit per scored rollout"),
    *_row(
        "emphasis", "credit", "their sum: what a scored rollout counts, by rule, `credit.emphasis` and lambdas together"
    ),
    *_row(
        "polarity_share_rows polarity_share_tokens",
        "share",
        "positive credit over all credit, by rollouts and weighed by tokens",
    ),
    *_row("zero_credit", "share", "scored rollouts without credit"),
    *_row("correct_pushed_down wrong_pushed_up", "share", "of the correct, of the wrong rollouts"),
    *_row("lambda_plus lambda_minus", "weight", "what the controller gave, mean over rollouts"),
    *_row(
        "weight_plus weight_minus",
        "weight",
        "what the two signs really weigh: these times the rule's own weights "
        "(`weighted_reinforce`: lambda and 1; `psr`: 1 and 0; `asymmetric`: 1 - b and b; most rules: 1 and 1)",
    ),
    # Critic
    *_row(
        "value_mean return_mean",
        "reward",
        "values before the critic's update, and the returns it then learns",
        critic=True,
    ),
    *_row(
        "explained_variance",
        "share",
        "1 - Var(return - value) / Var(return), of those values: 0 is as good as a constant; undefined where all returns are equal",
        better="higher",
        critic=True,
    ),
    *_row("advantage_mean advantage_std", "reward", "before whitening", critic=True),
    *_row("kl_reward", "nats", "log pi_old - log pi_ref per token; with `credit.settings.kl`", critic=True),
    *_row(
        "value_loss",
        "loss",
        "half the squared error, clipped, mean over the critic's optimiser steps",
        better="lower",
        critic=True,
    ),
    *_row("value_clipped", "share", "of tokens, where the clip decides", critic=True),
    *_row("value_gradient_norm", "norm", "2-norm before clipping, mean over those steps", critic=True),
    *_row(
        "seconds_critic",
        "s",
        "values, advantages and the critic's update, mean over processes; part of `seconds_credit`",
        better="lower",
        critic=True,
    ),
    # Update
    *_row("loss", "loss", "divided loss, mean over optimiser steps", better="lower"),
    *_row("loss_plus loss_minus", "loss", "undivided loss per token that is pushed up, down", better="lower"),
    *_row(
        "ratio_plus ratio_minus",
        "ratio",
        "policy over sampling policy as the loss takes it (`gspo`: of the sequence), mean over those tokens",
    ),
    *_row(
        "ratio_plus_p01 ratio_plus_p50 ratio_plus_p99 ratio_plus_max",
        "ratio",
        "of the token itself, over tokens pushed up; beyond e^±20 it counts as that",
    ),
    *_row("ratio_minus_p01 ratio_minus_p50 ratio_minus_p99 ratio_minus_max", "ratio", "over tokens pushed down"),
    *_row("clipped_plus clipped_minus", "share", "of those tokens, where the loss clips"),
    *_row("approx_kl", "nats", "mean per token of `r - 1 - log r` with `r` that ratio"),
    *_row("kl_reference", "nats", "per token, to the base; with `loss.kl`"),
    *_row("entropy_bonus", "nats", "per token, as the bonus reads it; with `loss.entropy`"),
    *_row(
        "entropy entropy_plus entropy_minus",
        "nats",
        "entropy of the policy at the trained tokens: all, pushed up, pushed down",
    ),
    *_row("entropy_p50 entropy_p90 entropy_p99", "nats", "its quantiles over all of them"),
    *_row("entropy_plus_p50 entropy_plus_p90 entropy_plus_p99", "nats", "over those pushed up"),
    *_row("entropy_minus_p50 entropy_minus_p90 entropy_minus_p99", "nats", "over those pushed down"),
    *_row(
        "sampler_gap sampler_gap_max",
        "nats",
        "mean and largest difference of the sampler's log-probability and the learner's, first mini-batch",
        better="lower",
    ),
    *_row("gradient_norm", "norm", "2-norm before clipping, mean over optimiser steps"),
    *_row("gradient_clipped", "share", "optimiser steps whose gradient was clipped"),
    *_row(
        "gradient_norm_plus gradient_norm_minus gradient_cosine",
        "norm, cosine",
        "each sign's own gradient, first mini-batch; every `diagnostics.every` steps",
    ),
    *_row(
        "log_prob_change_correct log_prob_change_wrong log_prob_change_anchor",
        "nats",
        "log-probability after the step's update less before it, per token; every `diagnostics.every` steps",
    ),
    *_row(
        "anchor_kl",
        "nats",
        "KL(base || policy) per token, estimated on the anchors after the update "
        "(a small one can come out below 0); every `diagnostics.every` steps",
    ),
    *_row("learning_rate", "rate", "mean over optimiser steps"),
    *_row("rows_per_update", "rows", "rollouts trained on, over all processes, mean over optimiser steps"),
    *_row("optimiser_steps", "steps", "taken in this training step"),
    # Cost
    *_row("tokens_sampled", "tokens", "response tokens drawn, over all processes"),
    *_row(
        "tokens_trained tokens_trained_plus tokens_trained_minus",
        "tokens",
        "that went through a forward and a backward pass: all, pushed up, pushed down; each epoch counted",
    ),
    *_row(
        "tokens_saved tokens_saved_correct tokens_saved_wrong",
        "tokens",
        "sampled and not trained on: all, of correct and of wrong responses",
    ),
    *_row(
        "seconds seconds_sample seconds_verify seconds_credit seconds_update seconds_diagnostics",
        "s",
        "wall time of the step and its parts, main process; the distributions over trained tokens count under update",
        better="lower",
    ),
    *_row(
        "tokens_per_second tokens_per_second_sample tokens_per_second_verify",
        "tokens/s",
        "sampled tokens over the time of the whole step, of sampling, of judging",
        better="higher",
    ),
    *_row("tokens_per_second_update", "tokens/s", "trained tokens over the time of the update", better="higher"),
    *_row(
        "peak_memory_gib",
        "GiB",
        "largest resident memory of the main process so far; memory on an accelerator is not in it",
        better="lower",
    ),
)

COLUMNS: Final[dict[str, Column]] = {column.name: column for column in _COLUMNS}
"""Every column that a step may have, by name, but for the families that a run's own names make (`part/NAME`, `controller_…`)."""

_PER_TYPE: Final = ("success_rate", "coverage")
"""Columns with a direction that are also kept for each task type."""
